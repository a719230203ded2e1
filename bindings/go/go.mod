module github.com/wsdial/wsdial/bindings/go

go 1.24
