module github.com/wsdial/wsdial/bindings/go/interop

go 1.24

require (
	github.com/gorilla/websocket v1.5.3
	github.com/wsdial/wsdial/bindings/go v0.0.0
)

replace github.com/wsdial/wsdial/bindings/go => ../
