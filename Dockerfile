# A worker or a server in a container, as a user without rights. `docker build -t kakitome . && docker run kakitome worker`
FROM python:3.13-slim AS made
WORKDIR /made
COPY requirements/build.txt requirements/server.txt requirements/
RUN python -m venv /opt/kakitome \
 && /opt/kakitome/bin/pip install --no-cache-dir --require-hashes -r requirements/build.txt -r requirements/server.txt
COPY pyproject.toml README.md LICENSE ./
COPY src src
RUN /opt/kakitome/bin/pip install --no-cache-dir --no-build-isolation --no-deps .

FROM python:3.13-slim
COPY --from=made /opt/kakitome /opt/kakitome
# Locks and wire marks; mount it where a killed worker's marks shall be found by the next one.
RUN useradd --uid 10001 --create-home --home-dir /var/lib/kakitome kakitome
USER 10001
WORKDIR /var/lib/kakitome
ENV PATH=/opt/kakitome/bin:$PATH PYTHONUNBUFFERED=1
# SIGTERM ends it in good order. Give it as long as the longest `timeout` of a lane.
ENTRYPOINT ["kakitome"]
CMD ["worker"]
