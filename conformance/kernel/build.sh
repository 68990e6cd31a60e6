#!/bin/bash
# SPDX-License-Identifier: MIT
# Builds the reference kernel from the distribution's source package, outside the repository.
#
#   build.sh                      the plain kernel: $CACHE/plain/vmlinux
#   build.sh --extension SCRIPT   the extended one: $CACHE/ext/vmlinux, with line coverage. SCRIPT is given the folder of a copy of the source
#                                 and adds the test operations X_FAULT, X_RESP_LOG and X_QUEUE (conformance/README.md)
#
#   --suite NAME     suite of the archive (default sid)
#   --package NAME   source package (default linux-source-7.2)
#   --jobs N         default: all processors
#
# $CACHE is $IOPF_CONFORMANCE_CACHE, or ~/.cache/iopf-conformance. The kernel is GPL-2.0 and stays there: it is run and observed.
set -euo pipefail
here=$(cd "$(dirname "$(readlink -f "$0")")" && pwd)
cache=${IOPF_CONFORMANCE_CACHE:-${XDG_CACHE_HOME:-$HOME/.cache}/iopf-conformance}
suite=sid package=linux-source-7.2 extension='' jobs=$(nproc)

usage() { sed -n '3,14s/^# \{0,1\}//p' "$0"; exit "$1"; }
say() { printf 'build.sh: %s\n' "$*" >&2; }
fail() { say "$*"; exit 4; }

while (($#)); do
  case $1 in
    --extension) extension=$(readlink -f "${2:?}"); shift 2 ;;
    --suite) suite=${2:?}; shift 2 ;;
    --package) package=${2:?}; shift 2 ;;
    --jobs) jobs=${2:?}; shift 2 ;;
    --help) usage 0 ;;
    *) say "unknown: $1"; usage 2 ;;
  esac
done

check_tools() {
  local tool missing=()
  for tool in gcc make flex bison bc xz tar dpkg-deb apt-get; do
    command -v "$tool" > /dev/null || missing+=("$tool")
  done
  [ -e /usr/include/libelf.h ] || missing+=(libelf-dev)
  [ -e /usr/include/openssl/ssl.h ] || missing+=(libssl-dev)
  ((${#missing[@]} == 0)) || fail "missing: ${missing[*]} (on Debian: apt-get install build-essential flex bison bc libelf-dev libssl-dev xz-utils)"
}

# An apt of its own: the system's lists and sources stay as they are; its proxies and keys count.
private_apt() {
  local mirror keyring=/usr/share/keyrings/debian-archive-keyring.gpg
  mirror=$(grep -rhoE '^(URIs:|deb) .*' /etc/apt/sources.list /etc/apt/sources.list.d 2> /dev/null | grep -oE 'https?://[^ ]+/debian/?( |$)' | head -1 || true)
  mirror=${mirror:-http://deb.debian.org/debian}
  mkdir -p "$cache/apt/state/lists/partial" "$cache/apt/cache/archives/partial"
  : > "$cache/apt/status"
  echo "deb [signed-by=$keyring] ${mirror% } $suite main" > "$cache/apt/sources.list"
  cat > "$cache/apt/apt.conf" << CONF
Dir::Etc::sourcelist "$cache/apt/sources.list";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::preferencesparts "/dev/null";
Dir::State "$cache/apt/state";
Dir::State::status "$cache/apt/status";
Dir::Cache "$cache/apt/cache";
APT::Sandbox::User "$(id -un)";
CONF
}

fetch_source() {
  [ -e "$cache/source/Makefile" ] && return
  say "fetching $package from $suite"
  private_apt
  rm -rf "$cache/fetch" && mkdir -p "$cache/fetch" && cd "$cache/fetch"
  export APT_CONFIG=$cache/apt/apt.conf
  apt-get update -qq || fail 'the archive cannot be reached'
  apt-get download -qq "$package" || fail "no $package in $suite: name one with --package"
  unset APT_CONFIG
  dpkg-deb -x "$package"_*.deb unpacked
  mkdir source && tar -xf "unpacked/usr/src/$package".tar.* --strip-components=1 -C source
  mv source "$cache/source"
  cd "$cache" && rm -rf fetch
}

# A copy by hard links; files that change must be replaced, not written into.
extend_source() {
  [ -e "$cache/source-ext/.extended" ] && return
  say "extending a copy of the source by $extension"
  rm -rf "$cache/source-ext" && cp -al "$cache/source" "$cache/source-ext"
  case $extension in
    *.py) python3 "$extension" "$cache/source-ext" ;;
    *) "$extension" "$cache/source-ext" ;;
  esac
  profile drivers/iommu/iommufd 'GCOV_PROFILE := y'
  profile drivers/iommu 'GCOV_PROFILE_io-pgfault.o := y'
  touch "$cache/source-ext/.extended"
}

# A module of ours that asks the fault core what no driver asks.
build_queues() {
  local folder=$cache/ext/queues
  [ -e "$folder/queues.ko" ] && return
  mkdir -p "$folder" && cp "$here/queues.c" "$folder" && echo 'obj-m := queues.o' > "$folder/Makefile"
  make -s -C "$cache/source-ext" O="$cache/ext" M="$folder" modules >> "$cache/ext.log" 2>&1 || fail "queues.c: see $cache/ext.log"
}

profile() { # profile FOLDER LINE: adds the line to the folder's Makefile
  local makefile=$cache/source-ext/$1/Makefile
  cp "$makefile" "$makefile.new" && printf '%s\n' "$2" >> "$makefile.new" && mv "$makefile.new" "$makefile"
}

build() { # build NAME SOURCE FRAGMENT...
  local name=$1 source=$2 line targets=(vmlinux)
  shift 2
  if [ -e "$cache/$name/vmlinux" ]; then say "already there: $cache/$name/vmlinux"; return; fi
  say "building $name with $jobs jobs (10 to 30 minutes); log in $cache/$name.log"
  mkdir -p "$cache/$name"
  make -s -C "$source" O="$cache/$name" tinyconfig > /dev/null
  (cd "$cache/$name" && "$source/scripts/kconfig/merge_config.sh" -m -O . .config "$@" > /dev/null && make -s olddefconfig > /dev/null)
  cat "$@" | awk -F= '/^CONFIG_/ { last[$1] = $0 } END { for (name in last) print last[name] }' | while read -r line; do
    grep -qxF "$line" "$cache/$name/.config" || say "the configuration refused $line"
  done
  grep -qx CONFIG_MODULES=y "$cache/$name/.config" && targets+=(modules)
  make -s -C "$cache/$name" -j"$jobs" "${targets[@]}" > "$cache/$name.log" 2>&1 || { tail -20 "$cache/$name.log" >&2; exit 1; }
  say "built $cache/$name/vmlinux"
}

check_tools
mkdir -p "$cache"
fetch_source
if [ -z "$extension" ]; then
  build plain "$cache/source" "$here/kernel.config"
else
  extend_source
  build ext "$cache/source-ext" "$here/kernel.config" "$here/coverage.config"
  build_queues
fi
