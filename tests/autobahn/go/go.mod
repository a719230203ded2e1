module github.com/wsdial/wsdial/tests/autobahn/go

go 1.24

require github.com/wsdial/wsdial/bindings/go v0.0.0

replace github.com/wsdial/wsdial/bindings/go => ../../../bindings/go
