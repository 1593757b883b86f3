# A small image with the one program, run by nobody in particular:
#   docker build -t martlet .
#   docker run -p 8080:8080 -v "$HOME/models:/models:ro" -e MARTLET_API_KEY=… martlet serve --host 0.0.0.0 /models/my.gguf
FROM swift:6.3-noble AS build
WORKDIR /build
COPY Package.swift ./
COPY Sources Sources
COPY Plugins Plugins
COPY Tests Tests
COPY docs docs
ENV MARTLET_EXTRAS=0
RUN swift build -c release --product martlet --static-swift-stdlib \
    && cp "$(swift build -c release --static-swift-stdlib --show-bin-path)/martlet" /martlet \
    && strip /martlet

# Swift's libraries are inside. What is still looked for at the start, `ldd` says, is in every Debian and Ubuntu: libc and
# libm; libstdc++ and libgcc_s, for the C++ of Swift's runtime, of its Unicode data and of BoringSSL. curl is for the health
# check and brings libcurl, which downloads open; certificates are for them too.
FROM ubuntu:24.04
RUN apt-get update && apt-get install -y --no-install-recommends ca-certificates curl \
    && rm -rf /var/lib/apt/lists/* \
    && useradd --create-home --uid 10001 martlet \
    && install -d -o martlet /data
COPY --from=build /martlet /usr/local/bin/martlet
USER martlet
# Downloaded models; mount a volume to keep them.
ENV HF_HOME=/data/hub MARTLET_HOME=/data/martlet
VOLUME /data
EXPOSE 8080
# Asks where `serve` listens unless told otherwise; with --tls-cert or another --port, replace it.
HEALTHCHECK --interval=10s --timeout=3s --start-period=60s CMD curl -fsS http://127.0.0.1:8080/readyz || exit 1
STOPSIGNAL SIGTERM
ENTRYPOINT ["martlet"]
CMD ["--help"]
