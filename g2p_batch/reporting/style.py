"""How the page looks: one accent colour, light and dark, on paper too."""

STYLE = """
:root{color-scheme:light dark;--paper:#fbfaf8;--ink:#1d2126;--soft:#5b636d;--line:#e3e1dc;--accent:#0b6b7d}
@media (prefers-color-scheme:dark){:root{--paper:#14171a;--ink:#e6e8ea;--soft:#9aa4ae;--line:#2d3339;
--accent:#58bccd}}
*{box-sizing:border-box}
html{-webkit-text-size-adjust:100%}
body{margin:0;background:var(--paper);color:var(--ink);font:16px/1.5 system-ui,-apple-system,"Segoe UI","Noto Sans",
sans-serif;font-variant-numeric:tabular-nums;overflow-wrap:break-word}
main{max-width:60rem;margin:0 auto;padding:2rem 1rem 4rem}
h1{font-size:1.6rem;line-height:1.2;margin:.15rem 0 .5rem;letter-spacing:-.01em;overflow-wrap:anywhere}
h2{font-size:1.15rem;margin:3rem 0 .25rem;padding-top:1rem;border-top:1px solid var(--line)}
h3{font-size:1rem;margin:1.75rem 0 .25rem}
p{margin:.35rem 0 .75rem;max-width:44rem}
small,.soft,figcaption span{color:var(--soft)}
small{font-size:.85em}
.eyebrow{color:var(--soft);margin:0;font-size:.9rem}
.state{display:inline-block;border:1px solid var(--accent);color:var(--accent);border-radius:1rem;padding:.05rem .7rem;
font-size:.9rem}
.open .state{background:var(--accent);color:var(--paper)}
.notice{border-left:3px solid var(--accent);padding:.1rem 0 .1rem .9rem;margin:1rem 0}
.heads{display:grid;grid-template-columns:repeat(auto-fit,minmax(8.5rem,1fr));gap:1rem 1.5rem;margin:1.5rem 0}
.heads div{display:flex;flex-direction:column}
.heads b{font-size:1.7rem;font-weight:600;line-height:1.2;letter-spacing:-.02em}
.heads span{color:var(--soft);font-size:.9rem}
svg{display:block;width:100%}
.strip{height:14px;border-radius:3px;margin:.5rem 0 .75rem}
.meter{height:6px;border-radius:2px;background:var(--line)}
.c,.s0{fill:var(--accent)}
.s1{fill:var(--accent);fill-opacity:.55}
.s2{fill:var(--accent);fill-opacity:.25}
.s3{fill:var(--soft)}
.s4{fill:var(--line)}
.key{list-style:none;margin:0;padding:0;display:flex;flex-wrap:wrap;gap:.35rem 1.4rem;font-size:.95rem}
.swatch{display:inline-block;width:.75rem;height:.75rem;margin-right:.45rem;border-radius:2px}
.pair{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(100%,24rem),1fr));gap:0 2.5rem}
figure{margin:1.25rem 0 0;min-width:0}
figcaption b{display:block;font-weight:600}
figcaption span{font-size:.95rem}
.chart{display:grid;grid-template-columns:auto minmax(0,1fr);gap:0 .5rem;margin-top:1rem;font-size:.8rem;
color:var(--soft)}
.plot{height:150px;overflow:visible}
.grid{stroke:var(--line);stroke-width:1px;vector-effect:non-scaling-stroke;fill:none}
.hover{fill:var(--ink);fill-opacity:0}
.hover:hover{fill-opacity:.07}
.heights{position:relative}
.heights i{visibility:hidden;font-style:normal}
.heights span{position:absolute;right:0;transform:translateY(50%);line-height:1}
.ticks{grid-column:2;position:relative;height:1.6rem;margin-top:.35rem;white-space:nowrap}
.ticks span{position:absolute;transform:translateX(-50%)}
.ticks .last{right:0;transform:none}
details{margin:.35rem 0}
summary{cursor:pointer;color:var(--accent)}
.numbers{font-size:.85rem}
.numbers table{width:auto}
table{border-collapse:collapse;width:100%;font-size:.95rem;margin:.5rem 0}
th,td{text-align:left;vertical-align:top;padding:.35rem .9rem .35rem 0;border-bottom:1px solid var(--line)}
th{font-weight:500;color:var(--soft);font-size:.85rem;vertical-align:bottom}
th:last-child,td:last-child{padding-right:0}
.n{text-align:right}
td.n{white-space:nowrap}
td{overflow-wrap:anywhere}
td bdi{line-height:1.7}
.scroll{overflow-x:auto}
.crews{width:auto}
.langs td:nth-child(1){min-width:6.5rem}
.langs .meter{margin-top:.3rem;max-width:12rem}
.words td{overflow:hidden}
.words td:nth-child(1){width:34%}
.named td:nth-child(1){min-width:7rem}
.ipa{font-family:"Noto Sans","Charis SIL","Doulos SIL",system-ui,sans-serif}
.tag{font-size:.8rem;color:var(--soft);white-space:nowrap}
dl{margin:.5rem 0;display:grid;grid-template-columns:minmax(8rem,14rem) minmax(0,1fr);gap:.4rem 1rem;font-size:.95rem}
dt{color:var(--soft)}
dd{margin:0;overflow-wrap:anywhere}
code{font:.88em/1.5 ui-monospace,SFMono-Regular,Menlo,"Noto Sans Mono",monospace;overflow-wrap:anywhere}
@media (max-width:34rem){dl{grid-template-columns:1fr;gap:0}dd{margin-bottom:.6rem}th,td{padding-right:.6rem}}
@media print{:root{--paper:#fff;--ink:#000;--soft:#444;--line:#ccc;--accent:#0b6b7d}
body{font-size:10.5pt}main{max-width:none;padding:0}h2{margin-top:1.5rem}h2,h3,figcaption{break-after:avoid}
figure,tr,.heads{break-inside:avoid}.numbers{display:none}details::details-content{content-visibility:visible;
display:block}svg,.state{print-color-adjust:exact;-webkit-print-color-adjust:exact}}
"""
