"""Commands with many options: their help lists them under headings."""

import click

HEADINGS = {
    "Input": ("lang", "lang-column", "word-column", "input-format", "encoding", "normalize"),
    "Model": ("model", "dtype", "shape", "from"),
    "Spelling": ("spelling", "unseen"),
    "Several pronunciations": ("variants", "min-share"),
    "Existing lexicons and runs": ("lexicon", "lexicon-phones", "since-run", "or-anew", "no-dictionary"),
    "Lexicon": (
        *("output", "force", "format", "order", "scores", "drop", "min-logprob", "space-in-word", "tokens", "reader"),
        *("partial", "strict"),
    ),
    "Phones": ("phones", "stress", "tones", "syllables", "clean", "phone-map", "phone-set"),
    "Examples": (
        *("dev", "hold-out", "dev-words", "all-variants", "keep-capitals"),
        *("batch-tokens", "balance", "weight", "hide-tags", "seed"),
    ),
    "Steps": ("steps", "optimizer", "rate", "warmup", "schedule", "clip", "decay", "dropout", "precision"),
    "Records": ("-o", "stored", "log-steps", "dev-steps", "save-steps"),
    "Measuring": ("words", "copies", "rounds", "peers", "peer", "json", "plot"),
    "Running": (
        *(
            "run-dir",
            "no-keep",
            "restart",
            "resume",
            "shards",
            "shard-words",
            "memory",
            "device",
            "workers",
            "threads",
            "engine",
        ),
        *("ray-address", "requeue", "dry-run"),
    ),
    "General": ("config", "quiet", "help"),
}
"""Options by heading, in the order in which help shows them; a test finds those that are under none, or under two."""


def long_name(option: click.Parameter) -> str:
    """Return what an option is called without its dashes, or as it is where it has a short name only."""
    return max(option.opts, key=len).removeprefix("--")


class GroupedCommand(click.Command):
    """A command whose help has a heading for each kind of options."""

    def format_options(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write options under their headings."""
        records = {long_name(option): option.get_help_record(ctx) for option in self.get_params(ctx)}
        for heading, names in HEADINGS.items():
            rows = [record for name in names if (record := records.get(name))]
            if rows:
                with formatter.section(heading):
                    formatter.write_dl(rows)
