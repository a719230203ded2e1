// Package lib is the folder of libwsdial.a for linux/amd64, which "make build" puts beside this file. It is a package because
// "go mod vendor" takes folders along only when they are.
package lib
