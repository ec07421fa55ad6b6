# One image for every process of the service; the compose file says which one a container runs.
FROM python:3.13-slim
RUN useradd --create-home --uid 10001 ldnas \
    && install --directory --owner ldnas /var/lib/ldnas /datasets
WORKDIR /opt/ldnas
COPY pyproject.toml constraints.txt README.md ./
COPY ldnas ldnas
COPY worker worker
COPY service service
COPY migrations migrations
RUN pip install --no-cache-dir --constraint constraints.txt ".[worker]"
USER ldnas
CMD ["ldnas", "api"]
