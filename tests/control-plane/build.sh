#!/usr/bin/env bash
# Builds the programs of a real control plane, for the live tests, and prints the folder that holds them as its last line.
#
#   build.sh           build what is not there yet: some 6 minutes the first time, nothing at all after that
#   build.sh --where   only print the folder, whether it is there or not; needs no Go
#
# MNGUP_CONTROL_PLANE   where builds are kept (default: ${XDG_CACHE_HOME:-$HOME/.cache}/mngup/control-plane)
set -euo pipefail

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
programs="etcd kube-apiserver kube-controller-manager kube-scheduler kubectl kwok"

say() { echo "control-plane: $*" >&2; }
die() { say "$*"; exit 1; }

# version MODULE-FOLDER MODULE: the version that the go.mod asks for.
version() { awk -v module="$2" '$1 == module { print $2; exit }' "$here/$1/go.mod"; }

# The name says the versions to a person; the checksum sees everything else that could change the programs, so that
# two checkouts that differ do not overwrite each other's build, and an old build is never taken for a new one.
kubernetes=$(version kube k8s.io/kubernetes)
etcd=$(version etcd go.etcd.io/etcd/server/v3)
kwok=$(version kwok sigs.k8s.io/kwok)
sum=$(cat "$here"/build.sh "$here"/{kube,etcd,kwok}/go.{mod,sum} | cksum | cut -d' ' -f1)
root=${MNGUP_CONTROL_PLANE:-${XDG_CACHE_HOME:-$HOME/.cache}/mngup/control-plane}
out="$root/kubernetes-$kubernetes-etcd-$etcd-kwok-$kwok-$sum"

case "${1:-}" in
--where)
  echo "$out"
  exit
  ;;
"") ;;
*) die "unknown argument $1 (none, or --where)" ;;
esac

# The folder appears by one rename when all is built, so that it is there means it is complete.
if [ -d "$out" ]; then
  say "built already"
  echo "$out"
  exit
fi

# Asked inside a module: there a recent enough go fetches the version that go.mod wants, where it is allowed to.
need=$(awk '$1 == "go" { print $2 }' "$here/kube/go.mod")
command -v go >/dev/null || die "go is not installed; building needs Go $need or later"
have=$(cd "$here/kube" && go env GOVERSION 2>/dev/null) || have=$(GOTOOLCHAIN=local go version | cut -d' ' -f3)
oldest=$(printf '%s\n%s\n' "$need" "${have#go}" | sort -t. -k1,1n -k2,2n -k3,3n | head -n 1)
[ "$oldest" = "$need" ] || die "go is $have; building needs Go $need or later"

# Beside its final place, or the rename would be a copy.
mkdir -p "$root"
work=$(mktemp -d "$root/.building.XXXXXX")
trap 'rm -rf "$work"' EXIT

# Without these the API server calls itself v0.0.0, and clients that look at its version refuse it.
stamp="-s -w"
IFS=. read -r major minor _ <<<"${kubernetes#v}"
for package in k8s.io/component-base/version k8s.io/client-go/pkg/version; do
  stamp+=" -X $package.gitVersion=$kubernetes -X $package.gitMajor=$major -X $package.gitMinor=$minor"
  stamp+=" -X $package.gitCommit=$kubernetes -X $package.gitTreeState=clean"
done

# build MODULE-FOLDER OUTPUT PACKAGE...: a workspace, vendoring or cgo on this machine must not change what comes out.
build() {
  local module=$1 output=$2 began=$SECONDS
  shift 2
  say "building in $module: $*"
  (cd "$here/$module" && GOWORK=off CGO_ENABLED=0 \
    go build -mod=readonly -buildvcs=false -trimpath -ldflags "$stamp" -o "$work/$output" "$@" >&2)
  say "built in $((SECONDS - began)) s"
}

# Three modules, for their dependencies do not agree. etcd is the package at the root of its module.
build etcd etcd go.etcd.io/etcd/server/v3
build kwok kwok sigs.k8s.io/kwok/cmd/kwok
build kube "" k8s.io/kubernetes/cmd/{kube-apiserver,kube-controller-manager,kube-scheduler,kubectl}

# The API server wants a key to sign service account tokens with; Go's own sources come with a program that makes one.
(cd "$work" && go run "$(cd "$here/kube" && go env GOROOT)/src/crypto/tls/generate_cert.go" --host localhost 2>/dev/null)
mv "$work/key.pem" "$work/service-account.key"
mv "$work/cert.pem" "$work/service-account.crt"

for program in $programs; do
  [ -x "$work/$program" ] || die "$program was not built"
done

# Someone else may have finished the same build meanwhile: theirs is as good. (`mv` onto a folder would move into it.)
chmod 755 "$work"
[ -d "$out" ] || mv "$work" "$out"
say "$(du -sh "$out" | cut -f1) in $out"
echo "$out"
