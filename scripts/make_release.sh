#!/usr/bin/env bash
# Makes a release in dist/: a tarball, a .deb where dpkg-deb is there, and SHA256SUMS.
#
#   scripts/make_release.sh [--program .build/release/martlet] [--version 0.1.0] [--out dist]
#
# Without --program it builds one, with Swift's own libraries inside. Each package holds the program, completions for bash,
# zsh and fish, a man page, a service for systemd and the licences of what is inside.
set -euo pipefail
cd "$(dirname "$0")/.."

program= version= out=dist
while [ $# -gt 0 ]; do
    case "$1" in
        --program) program="$2"; shift ;;
        --version) version="$2"; shift ;;
        --out) out="$2"; shift ;;
        -h|--help) sed -n '2,7s/^# \{0,1\}//p' "$0"; exit 0 ;;
        *) echo "make_release.sh: unknown option $1; see --help" >&2; exit 2 ;;
    esac
    shift
done

if [ -z "$program" ]; then
    swift build -c release --static-swift-stdlib --product martlet
    program="$(swift build -c release --static-swift-stdlib --show-bin-path)/martlet"
fi
[ -x "$program" ] || { echo "make_release.sh: $program is no program; build it, or name it with --program" >&2; exit 1; }
[ -n "$version" ] || version="$("$program" --version)"
machine="$(uname -m)"
case "$machine" in
    x86_64) debian=amd64 ;;
    aarch64) debian=arm64 ;;
    *) debian="$machine" ;;
esac

stage="$(mktemp -d)"
trap 'rm -rf "$stage"' EXIT
tree="$stage/martlet-$version-linux-$machine"
mkdir -p "$tree"/{bin,share/bash-completion/completions,share/zsh/site-functions,share/fish/vendor_completions.d} \
    "$tree"/{share/man/man1,share/doc/martlet/licences,lib/systemd/system}

install -m 755 "$program" "$tree/bin/martlet"
strip --strip-unneeded "$tree/bin/martlet" 2>/dev/null || true
"$program" --generate-completion-script bash > "$tree/share/bash-completion/completions/martlet"
"$program" --generate-completion-script zsh > "$tree/share/zsh/site-functions/_martlet"
"$program" --generate-completion-script fish > "$tree/share/fish/vendor_completions.d/martlet.fish"
"$program" manual | gzip -9n > "$tree/share/man/man1/martlet.1.gz"
install -m 644 Packaging/martlet.service "$tree/lib/systemd/system/martlet.service"
cp README.md CHANGELOG.md "$tree/share/doc/martlet/"
cp LICENSE "$tree/share/doc/martlet/copyright"

# What is compiled in: the packages of Package.resolved that are checked out, each with its licence and notice.
count=0
for folder in .build/checkouts/*/; do
    name="$(basename "$folder")"
    for file in "$folder"LICENSE* "$folder"NOTICE*; do
        [ -f "$file" ] || continue
        install -m 644 "$file" "$tree/share/doc/martlet/licences/$name-$(basename "$file")"
        count=$((count + 1))
    done
done
[ "$count" -gt 0 ] || echo "make_release.sh: no checkouts in .build: the licences of dependencies are missing" >&2

mkdir -p "$out"
out="$(cd "$out" && pwd)"
# The same files give the same bytes.
epoch="${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || date +%s)}"
tar --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$epoch" -C "$stage" -czf \
    "$out/$(basename "$tree").tar.gz" "$(basename "$tree")"
made=("$(basename "$tree").tar.gz")

if command -v dpkg-deb >/dev/null; then
    root="$stage/deb"
    mkdir -p "$root/usr" "$root/DEBIAN" "$root/etc/martlet"
    cp -a "$tree/." "$root/usr/"
    mv "$root/usr/lib/systemd/system/martlet.service" "$stage/service"
    mkdir -p "$root/usr/lib/systemd/system"
    sed 's#/usr/local/bin/martlet#/usr/bin/martlet#g' "$stage/service" > "$root/usr/lib/systemd/system/martlet.service"
    # As Packaging/martlet.service reads it; keys may stand in it, so nobody else reads it.
    printf '# A path or org/name, and flags of martlet serve; see man martlet.\nMARTLET_MODEL=/var/lib/martlet/model.gguf\n%s\n' \
        'MARTLET_OPTIONS=' > "$root/etc/martlet/environment"
    chmod 600 "$root/etc/martlet/environment"
    echo /etc/martlet/environment > "$root/DEBIAN/conffiles"
    cat > "$root/DEBIAN/control" <<END
Package: martlet
Version: $version
Architecture: $debian
Maintainer: The Martlet authors <martlet@example.org>
Depends: libc6 (>= 2.35), libstdc++6, libgcc-s1, zlib1g
Recommends: libcurl4, ca-certificates
Section: science
Priority: optional
Installed-Size: $(du -sk "$root/usr" | cut -f1)
Description: Language models in one program: run, serve, train
 Chats with, serves and trains language models on this machine, without Python
 and without a network once a model is there.
END
    SOURCE_DATE_EPOCH="$epoch" dpkg-deb --root-owner-group -Zgzip --build "$root" "$out/martlet_${version}_$debian.deb" >/dev/null
    made+=("martlet_${version}_$debian.deb")
else
    echo "make_release.sh: dpkg-deb is not there: no .deb" >&2
fi

(cd "$out" && sha256sum "${made[@]}" > SHA256SUMS)
for name in "${made[@]}" SHA256SUMS; do ls -l "$out/$name"; done
