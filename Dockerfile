# An image that only runs: the wheel, its dependencies and the bundled model compiled ahead; no compiler, no linker, no
# pip, no root. Other models are compiled elsewhere and mounted. What the first stage does is in
# configs/cluster/container, where tests run it too.
FROM python:3.11-slim-bookworm AS build
RUN apt-get update && apt-get install --yes --no-install-recommends binutils
COPY . /src
ENV G2P_BATCH_CACHE=/opt/g2p-batch/cache
RUN /src/configs/cluster/container/wheel.sh /src /wheels
ARG EXTRAS=
RUN /src/configs/cluster/container/install.sh /wheels /opt/g2p-batch/venv "$EXTRAS"
RUN /src/configs/cluster/container/compile.sh /opt/g2p-batch/venv
RUN /src/configs/cluster/container/run-only.sh /opt/g2p-batch/venv/lib/python3*/site-packages

FROM python:3.11-slim-bookworm
COPY --from=build /opt/g2p-batch /opt/g2p-batch
COPY configs/cluster/nightly.sh /usr/local/bin/
ENV G2P_BATCH_CACHE=/opt/g2p-batch/cache
ENV PATH=/opt/g2p-batch/venv/bin:/usr/local/bin:/usr/bin:/bin
USER 10001:10001
WORKDIR /data
ENTRYPOINT ["g2p-batch"]
