# One image for the page, the workers and the command line; the Prefect server runs from it too, so that versions fit.
FROM python:3.11-slim
WORKDIR /app
COPY requirements.lock ./
RUN python -m pip install --no-cache-dir --no-deps --require-hashes -r requirements.lock
COPY . .
RUN python -m pip install --no-cache-dir --no-deps --no-build-isolation . \
    && useradd --create-home --uid 10001 multiwave \
    && install -d -m 700 -o multiwave /home/multiwave/home
USER multiwave
WORKDIR /home/multiwave
ENV MULTIWAVE_HOME=/home/multiwave/home
ENTRYPOINT ["multiwave"]
