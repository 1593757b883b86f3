#!/usr/bin/env bash
# Makes a release in dist/: a tarball, a .deb where dpkg-deb is there, and SHA256SUMS.
#
#   scripts/make_release.sh [--program .build/release/martlet] [--version 0.1.0] [--out dist] [--checkouts .build/checkouts]
#
# Without --program it builds one, with Swift's own libraries inside. Each package holds the program, completions for bash,
# zsh and fish, a man page, a service for systemd and the licences of what is inside; the .deb depends on what the program
# needs. scripts/check_release.sh installs and runs both on a bare Debian.
set -euo pipefail
cd "$(dirname "$0")/.."

die() { echo "make_release.sh: $1" >&2; exit "${2:-1}"; }

program= version= out=dist checkouts=.build/checkouts
while [ $# -gt 0 ]; do
    case "$1" in
        --program|--version|--out|--checkouts)
            [ $# -gt 1 ] || die "$1 takes a value; see --help" 2
            declare "${1#--}=$2"
            shift ;;
        -h|--help) sed -n '2,8s/^# \{0,1\}//p' "$0"; exit 0 ;;
        *) die "unknown option $1; see --help" 2 ;;
    esac
    shift
done

for tool in objdump strip; do
    command -v "$tool" >/dev/null || die "$tool is needed: apt-get install binutils"
done
if [ -z "$program" ]; then
    swift build -c release --static-swift-stdlib --product martlet
    program="$(swift build -c release --static-swift-stdlib --show-bin-path)/martlet"
fi
[ -x "$program" ] || die "$program is no program; build it, or name it with --program"

# What it is linked with decides what the packages depend on.
needed="$(objdump -p "$program" | awk '/NEEDED/ { print $2 }')"
# The newest symbols of a library that are asked for: "GLIBC 2.35".
newest() { objdump -T "$program" | grep -o "$1_[0-9.]*" | sed "s/$1_//" | sort -uV | tail -1; }
depends=
for library in $needed; do
    case "$library" in
        libc.so.*|libm.so.*|libpthread.so.*|libdl.so.*|ld-linux*) package="libc6 (>= $(newest GLIBC))" ;;
        # The newest symbols by the release of GCC that brought them; Debian names the package by that.
        libstdc++.so.6)
            case "$(newest GLIBCXX)" in
                3.4.3[1-9]) package="libstdc++6 (>= 13)" ;;
                3.4.30) package="libstdc++6 (>= 12)" ;;
                3.4.29) package="libstdc++6 (>= 11)" ;;
                *) package="libstdc++6 (>= 5.2)" ;;
            esac ;;
        libgcc_s.so.1) package="libgcc-s1" ;;
        libz.so.1) package="zlib1g" ;;
        libswift*|libFoundation*|libdispatch.so|libBlocksRuntime.so|lib_Foundation*)
            die "$program needs $library of the toolchain: link it with --static-swift-stdlib" ;;
        *) die "no Debian package is known for $library, which $program needs" ;;
    esac
    case ", $depends, " in *", $package, "*) ;; *) depends="${depends:+$depends, }$package" ;; esac
done

[ -n "$version" ] || version="$("$program" --version)"
machine="$(uname -m)"
case "$machine" in
    x86_64) debian=amd64 ;;
    aarch64) debian=arm64 ;;
    *) debian="$machine" ;;
esac

stage="$(mktemp -d)"
trap 'rm -rf "$stage"' EXIT
chmod 755 "$stage"
tree="$stage/martlet-$version-linux-$machine"
mkdir -p "$tree"/{bin,share/bash-completion/completions,share/zsh/site-functions,share/fish/vendor_completions.d} \
    "$tree"/{share/man/man1,share/doc/martlet,lib/systemd/system}

install -m 755 "$program" "$tree/bin/martlet"
strip --strip-unneeded "$tree/bin/martlet"
"$program" --generate-completion-script bash > "$tree/share/bash-completion/completions/martlet"
"$program" --generate-completion-script zsh > "$tree/share/zsh/site-functions/_martlet"
"$program" --generate-completion-script fish > "$tree/share/fish/vendor_completions.d/martlet.fish"
"$program" manual | gzip -9n > "$tree/share/man/man1/martlet.1.gz"
install -m 644 Packaging/martlet.service "$tree/lib/systemd/system/martlet.service"
install -m 644 README.md CHANGELOG.md "$tree/share/doc/martlet/"
# Only what installing means, for who has the package alone.
install -m 644 docs/install.md "$tree/share/doc/martlet/INSTALL.md"
{
    printf 'Martlet is under the licence below. What is compiled into it from others, and its licences and notices, is in\n'
    printf 'the folder licences beside this file.\n\n'
    cat LICENSE
} > "$tree/share/doc/martlet/copyright"
[ -d "$checkouts" ] || die "$checkouts is no folder: the licences of what is inside are read there; see --checkouts"
echo "$(python3 scripts/collect_licences.py "$checkouts" "$tree/share/doc/martlet/licences") in the packages"

mkdir -p "$out"
out="$(cd "$out" && pwd)"
# The same files give the same bytes.
epoch="${SOURCE_DATE_EPOCH:-$(git log -1 --format=%ct 2>/dev/null || date +%s)}"
tar --sort=name --owner=0 --group=0 --numeric-owner --mtime="@$epoch" --mode=u+rwX,go+rX,go-w -C "$stage" -cf - \
    "$(basename "$tree")" | gzip -9n > "$out/$(basename "$tree").tar.gz"
made=("$(basename "$tree").tar.gz")

if command -v dpkg-deb >/dev/null; then
    root="$stage/deb"
    mkdir -p "$root/usr" "$root/DEBIAN" "$root/etc/martlet"
    cp -a "$tree/." "$root/usr/"
    sed 's#/usr/local/bin/martlet#/usr/bin/martlet#g' Packaging/martlet.service \
        > "$root/usr/lib/systemd/system/martlet.service"
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
Depends: $depends
Recommends: libcurl4, ca-certificates
Suggests: bash-completion, man-db
Section: science
Priority: optional
Installed-Size: $(du -sk "$root/usr" | cut -f1)
Description: Language models in one program: run, serve, train
 Chats with, serves and trains language models on this machine, without Python
 and without a network once a model is there. libcurl4 fetches models.
END
    # systemd learns of the service, and a running one does not outlive the program. On machines without it: nothing.
    cat > "$root/DEBIAN/postinst" <<'END'
#!/bin/sh
set -e
if [ -d /run/systemd/system ]; then systemctl daemon-reload || true; fi
END
    cat > "$root/DEBIAN/prerm" <<'END'
#!/bin/sh
set -e
if [ "$1" = remove ] && [ -d /run/systemd/system ]; then systemctl disable --now martlet.service || true; fi
END
    cat > "$root/DEBIAN/postrm" <<'END'
#!/bin/sh
set -e
if [ -d /run/systemd/system ]; then systemctl daemon-reload || true; fi
if [ "$1" = purge ] && [ -d /etc/martlet ]; then rmdir --ignore-fail-on-non-empty /etc/martlet; fi
END
    chmod 755 "$root/DEBIAN"/{postinst,prerm,postrm}
    find "$root" -type d -exec chmod 755 {} +
    (cd "$root" && find usr -type f -print0 | sort -z | xargs -0 md5sum > DEBIAN/md5sums)
    SOURCE_DATE_EPOCH="$epoch" dpkg-deb --root-owner-group -Zgzip --build "$root" "$out/martlet_${version}_$debian.deb" >/dev/null
    made+=("martlet_${version}_$debian.deb")
    echo "depends on: $depends"
else
    echo "make_release.sh: dpkg-deb is not there: no .deb" >&2
fi

(cd "$out" && sha256sum "${made[@]}" > SHA256SUMS)
for name in "${made[@]}" SHA256SUMS; do ls -l "$out/$name"; done
