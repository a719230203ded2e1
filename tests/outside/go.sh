#!/usr/bin/env bash
# The Go package under the runtime's strictest check of pointers that go to C, its fuzz targets for a while, and as many
# connections as descriptors allow. Needs tools/build.sh to have been run.
. "$(dirname "$0")/../../tools/env.sh"
cd bindings/go

GOEXPERIMENT=cgocheck2 go test -count=1 .
for target in FuzzFrames FuzzAnswer; do go test -run '^$' -fuzz "^$target\$" -fuzztime "${FUZZ:-30}s" .; done
WSDIAL_CROWD=all go test -count=1 -v -run TestACrowd .
