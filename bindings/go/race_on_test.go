//go:build cgo && race

package websocket

const raceDetector = true
