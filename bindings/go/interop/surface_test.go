package interop

import (
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// exported are the exported names of a package's folder, methods and fields as Type.Name. gorilla's server.go is left out:
// that half is not ours.
func exported(t *testing.T, folder string) map[string]bool {
	files, err := filepath.Glob(filepath.Join(folder, "*.go"))
	if err != nil || len(files) == 0 {
		t.Fatal(folder, err)
	}
	names := map[string]bool{}
	for _, file := range files {
		if strings.HasSuffix(file, "_test.go") || filepath.Base(file) == "server.go" {
			continue
		}
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Fatal(err)
		}
		for _, decl := range parsed.Decls {
			declared(decl, names)
		}
	}
	return names
}

func declared(decl ast.Decl, names map[string]bool) {
	note := func(name string) {
		for part := range strings.SplitSeq(name, ".") {
			if !ast.IsExported(part) {
				return
			}
		}
		names[name] = true
	}
	switch decl := decl.(type) {
	case *ast.FuncDecl:
		name := decl.Name.Name
		if decl.Recv != nil {
			receiver := decl.Recv.List[0].Type
			if star, ok := receiver.(*ast.StarExpr); ok {
				receiver = star.X
			}
			name = receiver.(*ast.Ident).Name + "." + name
		}
		note(name)
	case *ast.GenDecl:
		for _, spec := range decl.Specs {
			switch spec := spec.(type) {
			case *ast.ValueSpec:
				for _, name := range spec.Names {
					note(name.Name)
				}
			case *ast.TypeSpec:
				note(spec.Name.Name)
				members(spec, note)
			}
		}
	}
}

func members(spec *ast.TypeSpec, note func(string)) {
	var fields *ast.FieldList
	switch kind := spec.Type.(type) {
	case *ast.StructType:
		fields = kind.Fields
	case *ast.InterfaceType:
		fields = kind.Methods
	default:
		return
	}
	for _, field := range fields.List {
		for _, name := range field.Names {
			note(spec.Name.Name + "." + name.Name)
		}
	}
}

// tests are the test functions of the package and of this one, by name, with their text.
func tests(t *testing.T) map[string]string {
	texts := map[string]string{}
	var files []string
	for _, pattern := range []string{"../*_test.go", "*_test.go"} {
		found, _ := filepath.Glob(pattern)
		files = append(files, found...)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, part := range strings.Split(string(text), "\nfunc ")[1:] {
			name, _, _ := strings.Cut(part, "(")
			texts[name] += part // here and there
		}
	}
	return texts
}

// TestSurface compares bindings/go/SURFACE.md with gorilla's exported names, with ours, and with the tests that it names.
func TestSurface(t *testing.T) {
	output, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/gorilla/websocket").Output()
	if err != nil {
		t.Fatal(err)
	}
	model, ours, texts := exported(t, strings.TrimSpace(string(output))), exported(t, ".."), tests(t)
	page, err := os.ReadFile("../SURFACE.md")
	if err != nil {
		t.Fatal(err)
	}
	listed := map[string]bool{}
	for _, row := range regexp.MustCompile("(?m)^\\| `([\\w.]+)` \\| `(\\w+)` \\|").FindAllStringSubmatch(string(page), -1) {
		name, test := row[1], row[2]
		listed[name] = true
		if !model[name] {
			t.Errorf("gorilla has no %s", name)
		}
		if !ours[name] {
			t.Errorf("we have no %s", name)
		}
		last := name[strings.LastIndexByte(name, '.')+1:]
		if !regexp.MustCompile(`\b` + last + `\b`).MatchString(texts[test]) {
			t.Errorf("%s is not used by %s", name, test)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(model)) {
		if !listed[name] {
			t.Errorf("SURFACE.md does not list %s", name)
		}
	}
}
