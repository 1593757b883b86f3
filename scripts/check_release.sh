#!/usr/bin/env bash
# Installs the packages of scripts/make_release.sh on a bare Debian 12 root, runs them there, and takes them away again.
#
#   scripts/check_release.sh DIST MODEL.gguf [ROOT]
#
# ROOT is a bare root, as `debootstrap --variant=minbase bookworm ROOT` makes it; without one it is made so. It is copied, and
# the copy is worked in by chroot: so it needs root, and 1 GB in /tmp.
set -euo pipefail
[ $# -ge 2 ] || { sed -n '2,7s/^# \{0,1\}//p' "$0" >&2; exit 2; }
dist="$(cd "$1" && pwd)" model="$2" bare="${3:-}"
[ "$(id -u)" = 0 ] || { echo "check_release.sh: chroot needs root" >&2; exit 1; }
PATH="$PATH:/usr/sbin:/sbin"
[ -n "$bare" ] || command -v debootstrap >/dev/null || {
    echo "check_release.sh: debootstrap is needed, or a bare root: apt-get install debootstrap" >&2
    exit 1
}
work="$(mktemp -d /tmp/martlet-release.XXXXXX)"
mounted=
finish() { [ -z "$mounted" ] || umount "$work/debian/proc"; rm -rf "$work"; }
trap finish EXIT
if [ -n "$bare" ]; then
    cp -a "$bare" "$work/debian"
else
    debootstrap --variant=minbase bookworm "$work/debian" >&2
fi
root="$work/debian"
mkdir -p "$root/dist" "$root/models"
cp "$dist"/* "$root/dist/"
cp "$model" "$root/models/model.gguf"
mount -t proc proc "$root/proc" && mounted=1

inside() { chroot "$root" env -i HOME=/root PATH=/usr/local/bin:/usr/bin:/bin:/usr/sbin:/sbin LANG=C.UTF-8 "$@"; }
ok() { echo "ok $*"; }
fail() { echo "not ok $*" >&2; exit 1; }

# One installation, under a prefix: what it has to do.
try() {
    local prefix="$1" name="$2"
    inside ldd "$prefix/bin/martlet" | grep -q "not found" && fail "$name: libraries are missing"
    ok "$name: $(inside martlet --version), $(inside ldd "$prefix/bin/martlet" | grep -c '=>') libraries, all there"
    # Whole outputs are kept: a grep that has seen enough would end who writes, and so the pipe.
    inside martlet env > "$work/env" && grep -q kernels "$work/env" || fail "$name: martlet env"
    [ -n "$(inside martlet run /models/model.gguf --seed 1 -n 16 "What is the capital of France?" 2>/dev/null </dev/null)" ] ||
        fail "$name: no reply"
    ok "$name: answers"
    inside bash -c 'martlet serve /models/model.gguf --port 18099 2>/serve.log & server=$!
        for _ in $(seq 100); do { exec 3<>/dev/tcp/127.0.0.1/18099; } 2>/dev/null && break; sleep 0.2; done
        printf "GET / HTTP/1.1\r\nHost: 127.0.0.1:18099\r\nConnection: close\r\n\r\n" >&3
        read -r line <&3; kill $server; wait $server; echo "$line"' 2>/dev/null | grep -qE "HTTP/1.1 (200|30.)" ||
        fail "$name: does not serve: $(tail -3 "$root/serve.log")"
    ok "$name: serves its pages"
    # The network's library is not on a bare system: one sentence says which package has it.
    inside martlet pull org/name >/dev/null 2>"$work/pull" </dev/null && fail "$name: pull without libcurl"
    grep -q "libcurl4" "$work/pull" || fail "$name: pull without libcurl says $(cat "$work/pull")"
    ok "$name: $(tail -1 "$work/pull")"
    inside bash -c "source $prefix/share/bash-completion/completions/martlet && complete -p martlet" >/dev/null ||
        fail "$name: completion of bash"
    for file in share/zsh/site-functions/_martlet share/fish/vendor_completions.d/martlet.fish; do
        [ -s "$root$prefix/$file" ] || fail "$name: $file"
    done
    gzip -dc "$root$prefix/share/man/man1/martlet.1.gz" > "$work/manual" && grep -q '^\.TH MARTLET' "$work/manual" ||
        fail "$name: man page"
    [ "$(find "$root$prefix/share/doc/martlet/licences" -type f | wc -l)" -gt 40 ] || fail "$name: licences"
    ok "$name: completions, man page, licences"
}

inside bash -c "cd /dist && sha256sum -c --quiet SHA256SUMS" || fail "checksums"
ok "checksums"
before="$(cd "$root" && find etc usr var -path var/lib/dpkg -prune -o -path var/log -prune -o -print | sort)"
# dpkg refuses where a dependency is missing: what the package names is all it needs.
inside bash -c 'dpkg -i /dist/martlet_*.deb' >/dev/null || fail "dpkg -i"
try /usr "deb"
grep -q '^ExecStart=/usr/bin/martlet' "$root/usr/lib/systemd/system/martlet.service" || fail "deb: service"
[ "$(stat -c %a "$root/etc/martlet/environment")" = 600 ] || fail "deb: the service's keys can be read"
inside dpkg --verify martlet || fail "deb: files are not as packed"
inside dpkg -r martlet >/dev/null
[ ! -e "$root/usr/bin/martlet" ] || fail "deb: dpkg -r leaves the program"
[ -e "$root/etc/martlet/environment" ] || fail "deb: dpkg -r takes the service's settings"
inside dpkg -P martlet >/dev/null
after="$(cd "$root" && find etc usr var -path var/lib/dpkg -prune -o -path var/log -prune -o -print | sort)"
[ "$before" = "$after" ] || fail "deb: left behind: $(diff <(echo "$before") <(echo "$after"))"
ok "deb: removed, nothing left behind"

inside bash -c 'tar -xzf /dist/martlet-*.tar.gz -C /usr/local --strip-components=1'
try /usr/local "tarball"
# As docs/install.md says it.
inside bash -c 'cd /usr/local && tar -tzf /dist/martlet-*.tar.gz | grep -v "/$" | cut -d/ -f2- | xargs -d "\n" rm'
[ -z "$(find "$root/usr/local" -iname '*martlet*' -type f)" ] || fail "tarball: files are left behind"
ok "tarball: removed"
