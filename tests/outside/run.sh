#!/usr/bin/env bash
# A Go program in an empty folder outside the tree, made by the two commands of the package page: linked statically,
# from a vendor folder too, and by -tags wsdial_dynamic to a shared library that pkg-config finds. Without cgo it fails with a
# sentence. Needs tools/build.sh to have been run.
. "$(dirname "$0")/../../tools/env.sh"

folder=$(mktemp -d)
trap 'rm -rf "$folder"' EXIT
cat >"$folder/main.go" <<'GO'
package main

import (
	"errors"
	"fmt"
	"syscall"

	websocket "github.com/wsdial/wsdial/bindings/go"
)

func main() {
	_, _, err := websocket.DefaultDialer.Dial("ws://127.0.0.1:1", nil)
	fmt.Println("refused:", errors.Is(err, syscall.ECONNREFUSED))
	_, _, err = websocket.DefaultDialer.Dial("ws://127.0.0.1:0", nil)
	fmt.Println(err.(*websocket.Error).Code)
}
GO
cd "$folder"
go mod init example.org/outside 2>/dev/null
go mod edit -require=github.com/wsdial/wsdial/bindings/go@v0.0.0
go mod edit -replace=github.com/wsdial/wsdial/bindings/go="$ROOT/bindings/go"

expected=$'refused: true\n-204'
go build -o static .
[ "$(./static)" = "$expected" ] || die "static: $(./static)"
[[ $(ldd ./static) != *wsdial* ]] || die "static: it is linked to a shared library"
echo "  outside the tree, static: as it should"

# The same in a vendor folder, with nothing left of the module but that.
go mod vendor
go build -mod=vendor -o vendored .
[ "$(./vendored)" = "$expected" ] || die "vendored: $(./vendored)"
rm -r vendor
echo "  outside the tree, vendored: as it should"

mkdir pc
printf 'Name: wsdial\nDescription: x\nVersion: 0\nLibs: -L%s -lwsdial\nCflags: -I%s\n' "$BUILD/lib" "$ROOT/include" >pc/wsdial.pc
PKG_CONFIG_PATH=$folder/pc go build -tags wsdial_dynamic -o dynamic .
said=$(LD_LIBRARY_PATH=$BUILD/lib ./dynamic)
[ "$said" = "$expected" ] || die "dynamic: $said"
[[ $(ldd ./dynamic) == *libwsdial.so* ]] || die "dynamic: it is not linked to the shared library"
echo "  outside the tree, dynamic: as it should"

if CGO_ENABLED=0 go build -o none . 2>none.log; then die "it builds without cgo"; fi
grep -q 'set CGO_ENABLED=1' none.log || die "without cgo: $(cat none.log)"
echo "  without cgo: $(grep -o 'this package links.*target' none.log)"
