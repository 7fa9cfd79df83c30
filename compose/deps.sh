# SPDX-License-Identifier: Apache-2.0
# shellcheck shell=bash
# Installs what is missing, and only that. Debian packages go to the system; the servers and the Python clients go to
# the cache folder, one folder per version, made under a temporary name and renamed when complete: an interrupted
# install never counts. One lock makes two clones wait for each other instead of installing twice.

KAFKA_VERSION=4.1.0
FERRETDB_VERSION=2.7.0
POSTGRES_FLAVOUR=pg18-documentdb-forky
CACHE=${XDG_CACHE_HOME:-$HOME/.cache}/millrace
KAFKA_DIR=$CACHE/kafka-$KAFKA_VERSION-$(sha256sum "$ROOT/compose/native/pom.xml" | cut -c1-12)
POSTGRES_DIR=$CACHE/postgres-$POSTGRES_FLAVOUR
FERRETDB_DIR=$CACHE/ferretdb-$FERRETDB_VERSION
VENV_DIR=$CACHE/venv-$(sha256sum "$ROOT/tests/requirements.txt" | cut -c1-12)

BUILD_PACKAGES=(gcc libc6-dev cmake ninja-build pkg-config librdkafka-dev libavro-dev libmongoc-dev libmicrohttpd-dev
    libjansson-dev libcurl4-openssl-dev libssl-dev libsqlite3-dev uthash-dev zlib1g-dev libcmocka-dev sqlite3 kcat curl jq
    ca-certificates tzdata python3)
NATIVE_PACKAGES=(debootstrap maven openjdk-17-jre-headless)
TEST_PACKAGES=(clang-14 clang-tidy-14 clang-format-14 libclang-rt-14-dev shellcheck python3-venv spin)

# Docker counts only when an engine answers, not when a mere client is there.
choose_servers() {
    case ${MILLRACE_SERVERS:-} in
    native | docker) ;;
    "")
        MILLRACE_SERVERS=native
        if docker info >/dev/null 2>&1 && docker compose version >/dev/null 2>&1; then MILLRACE_SERVERS=docker; fi
        ;;
    *) die "MILLRACE_SERVERS=$MILLRACE_SERVERS: must be native or docker" ;;
    esac
    export MILLRACE_SERVERS
}

# --- Debian packages -----------------------------------------------------------------------------------------------

packages_missing() {
    local package
    dpkg-query -W -f '${Package} ${db:Status-Abbrev}\n' "$@" 2>/dev/null | awk '$2 == "ii" {print $1}' >"$RUN_DIR/installed"
    for package; do
        grep -qxF -- "$package" "$RUN_DIR/installed" || printf '%s ' "$package"
    done
}

apt_install() {
    as_root apt-get update
    as_root env DEBIAN_FRONTEND=noninteractive apt-get install -y --no-install-recommends "$@"
}

install_packages() {
    local missing
    command -v dpkg-query >/dev/null || die "needs Debian 12 (no dpkg here): install by hand: $*"
    missing=$(packages_missing "$@")
    [ -n "$missing" ] || return 0
    need_root
    # shellcheck disable=SC2086
    step "install packages: $(set -- $missing; echo $#) of them" apt_install $missing
}

# --- what lies in the cache ----------------------------------------------------------------------------------------

cache_has() { [ -d "$1" ]; }

# What "up" needs besides Debian packages; test adds the Python clients.
servers_missing() {
    local dir missing=()
    for dir in "$KAFKA_DIR" "$POSTGRES_DIR" "$FERRETDB_DIR"; do
        cache_has "$dir" || missing+=("$dir")
    done
    [ ${#missing[@]} -gt 0 ]
}

# Said before work starts: the first install needs room, and a network.
check_room() {
    local free_kb
    mkdir -p "$CACHE" || die "can't make the cache folder $CACHE: set XDG_CACHE_HOME to a folder you can write"
    free_kb=$(df -Pk "$CACHE" | awk 'NR == 2 {print $4}')
    [ "$free_kb" -ge 3000000 ] ||
        die "the first install needs 3 GB in $CACHE, only $((free_kb / 1000)) MB are free: make room, or set XDG_CACHE_HOME"
}

check_network() {
    local mirror host port=80
    mirror=$(debian_mirror)
    # Behind a proxy a direct connection says nothing.
    [ -z "${http_proxy:-}${HTTP_PROXY:-}" ] || return 0
    case $mirror in
    http://*) ;;
    https://*) port=443 ;;
    *) return 0 ;;
    esac
    host=${mirror#*://}
    host=${host%%/*}
    [ "$host" = "${host%:*}" ] || { port=${host##*:}; host=${host%:*}; }
    # shellcheck disable=SC2016
    timeout 20 bash -c 'exec 3<>"/dev/tcp/$1/$2"' probe "$host" "$port" 2>/dev/null ||
        die "no network: can't reach the Debian mirror ($mirror), which the first install needs; connect, or set http_proxy"
}

# The mirror that this machine's apt uses already.
debian_mirror() {
    # shellcheck disable=SC2016
    apt-get indextargets --format '$(ORIGIN)|$(LABEL)|$(SITE)' 'Created-By: Packages' 2>/dev/null |
        awk -F'|' '$1 == "Debian" && $2 == "Debian" && !seen++ {print $3}' | grep . || apt_sources_mirror
}

# Before the first "apt-get update" apt knows no labels: take the first address in its sources.
apt_sources_mirror() {
    cat /etc/apt/sources.list /etc/apt/sources.list.d/*.sources 2>/dev/null |
        grep -Eo '(https?|file|copy):/[^ ]+' | grep -v security | head -n 1
}

# in_cache DIR command...: runs "command TMP" under the lock and keeps TMP as DIR.
in_cache() {
    local dir=$1 tmp lock
    shift
    ! cache_has "$dir" || return 0
    mkdir -p "$CACHE"
    exec {lock}>"$CACHE/$(basename "$dir").lock"
    flock -n "$lock" || { echo "another install of $(basename "$dir") is at work: waiting"; flock "$lock"; }
    if ! cache_has "$dir"; then
        tmp=$CACHE/tmp-$(basename "$dir")
        as_root rm -rf "$tmp"
        mkdir "$tmp"
        "$@" "$tmp"
        mv "$tmp" "$dir"
    fi
    exec {lock}>&-
}

make_kafka() {
    cp "$ROOT/compose/native/pom.xml" "$1/pom.xml"
    mvn -q -B -f "$1/pom.xml" -Dkafka.version=$KAFKA_VERSION dependency:copy-dependencies \
        -DoutputDirectory="$1/libs" -DincludeScope=runtime
    ls "$1"/libs/kafka_2.13-$KAFKA_VERSION.jar
}

make_postgres() {
    as_root bash "$ROOT/compose/rootfs.sh" build "$1" "$(debian_mirror)"
}

host_go_fits() {
    command -v go >/dev/null && printf '%s\ngo1.24\n' "$(go version | cut -d' ' -f3)" | sort -VC -r
}

# FerretDB needs Go 1.24: the host's, or else that of the Debian folder (taken away again afterwards).
make_ferretdb() {
    local package=github.com/FerretDB/FerretDB/v2/cmd/ferretdb@v$FERRETDB_VERSION
    if host_go_fits; then
        GOBIN=$1 CGO_ENABLED=0 GOFLAGS=-modcacherw GOPATH=$1/go GOCACHE=$1/go-cache go install "$package"
    else
        in_cache "$POSTGRES_DIR" make_postgres
        # shellcheck disable=SC2016
        as_root bash "$ROOT/compose/rootfs.sh" exec "$POSTGRES_DIR" "$1" root \
            env GOPROXY="${GOPROXY:-}" http_proxy="${http_proxy:-}" https_proxy="${https_proxy:-}" \
            SSL_CERT_FILE=/etc/ssl/certs/ca-certificates.crt \
            GOBIN=/data CGO_ENABLED=0 GOFLAGS=-modcacherw GOPATH=/data/go GOCACHE=/data/go-cache \
            DEBIAN_FRONTEND=noninteractive sh -ec '
                apt-get update
                apt-get install -y --no-install-recommends golang-go
                go install "$1"
                apt-get purge -y --auto-remove golang-go
                apt-get clean
                rm -rf /var/lib/apt/lists/*' sh "$package"
    fi
    "$1/ferretdb" --version
    as_root rm -rf "$1/go" "$1/go-cache"
}

# A virtual environment may be moved as long as only its bin/python is used: "python -m pytest", never bin/pytest.
make_venv() {
    /usr/bin/python3 -m venv "$1"
    "$1/bin/python" -m pip install --quiet --disable-pip-version-check -r "$ROOT/tests/requirements.txt"
}

# ./run install NAME: one part, in the foreground.
install_part() {
    case $1 in
    kafka) in_cache "$KAFKA_DIR" make_kafka ;;
    postgres) in_cache "$POSTGRES_DIR" make_postgres ;;
    ferretdb) in_cache "$FERRETDB_DIR" make_ferretdb ;;
    python) in_cache "$VENV_DIR" make_venv ;;
    *) die "nothing to install is called '$1' (kafka, postgres, ferretdb, python)" ;;
    esac
}

# Starts in the background what has to be fetched; wait_spawned waits for it. Called when the packages are there.
spawn_installs() {
    if [ "$MILLRACE_SERVERS" = native ]; then
        cache_has "$KAFKA_DIR" || spawn "fetch Kafka $KAFKA_VERSION" install kafka
        cache_has "$POSTGRES_DIR" || spawn "make PostgreSQL 18 with DocumentDB" install postgres
        cache_has "$FERRETDB_DIR" || spawn "build FerretDB $FERRETDB_VERSION" install ferretdb
    fi
    [ "$1" != test ] || cache_has "$VENV_DIR" || spawn "fetch the Python clients" install python
}

# deps up|test: everything that is checked or installed before the build.
deps() {
    local packages=("${BUILD_PACKAGES[@]}")
    mkdir -p "$RUN_DIR" "$LOG_DIR"
    [ "$MILLRACE_SERVERS" = docker ] || packages+=("${NATIVE_PACKAGES[@]}")
    [ "$1" != test ] || packages+=("${TEST_PACKAGES[@]}")
    if [ "$MILLRACE_SERVERS" = native ]; then
        need_root
        if servers_missing; then
            check_room
            check_network
        fi
    fi
    install_packages "${packages[@]}"
    spawn_installs "$1"
}
