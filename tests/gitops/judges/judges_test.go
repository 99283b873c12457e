// Package judges asks Argo CD's interpreter and Flux's library what they make of the operator's objects.
//
// The objects are in deploy/argocd; tests/gitops makes them of the operator's own status functions. kstatus is
// the library itself. Of Argo CD it is the interpreter that it runs, opened as it opens it for scripts from
// argocd-cm: without the libraries for strings, mathematics, input and output.
package judges

import (
	"context"
	"os"
	"path/filepath"
	"reflect"
	"strings"
	"testing"
	"time"

	lua "github.com/yuin/gopher-lua"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/cli-utils/pkg/kstatus/status"
	"sigs.k8s.io/yaml"
)

const (
	argocd = "../../../deploy/argocd"
	group  = "ecr-operator.dev"
)

type health struct {
	Status  string `json:"status"`
	Message string `json:"message"`
}

// expectation is an entry of Argo CD's health_test.yaml.
type expectation struct {
	HealthStatus health `json:"healthStatus"`
	InputPath    string `json:"inputPath"`
}

func read(t *testing.T, path string, into any) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.UnmarshalStrict(text, into); err != nil {
		t.Fatalf("%s: %v", path, err)
	}
}

// scripts gives the health scripts as an administrator configures them.
func scripts(t *testing.T) map[string]string {
	t.Helper()
	var configMap struct {
		APIVersion string            `json:"apiVersion"`
		Kind       string            `json:"kind"`
		Metadata   map[string]any    `json:"metadata"`
		Data       map[string]string `json:"data"`
	}
	read(t, filepath.Join(argocd, "argocd-cm.yaml"), &configMap)
	var values struct {
		Configs struct {
			CM map[string]string `json:"cm"`
		} `json:"configs"`
	}
	read(t, filepath.Join(argocd, "helm-values.yaml"), &values)
	found := map[string]string{}
	for _, kind := range []string{"ECRRepository", "ECRRepositoryClass"} {
		file, err := os.ReadFile(filepath.Join(argocd, "resource_customizations", group, kind, "health.lua"))
		if err != nil {
			t.Fatal(err)
		}
		key := "resource.customizations.health." + group + "_" + kind
		for form, script := range map[string]string{"argocd-cm.yaml": configMap.Data[key], "helm-values.yaml": values.Configs.CM[key]} {
			if script != string(file) {
				t.Errorf("%s has another script for %s than health.lua", form, kind)
			}
		}
		found[kind] = configMap.Data[key]
	}
	return found
}

func value(l *lua.LState, from any) lua.LValue {
	switch from := from.(type) {
	case bool:
		return lua.LBool(from)
	case string:
		return lua.LString(from)
	case int64:
		return lua.LNumber(from)
	case float64:
		return lua.LNumber(from)
	case []any:
		table := l.NewTable()
		for _, item := range from {
			table.Append(value(l, item))
		}
		return table
	case map[string]any:
		table := l.NewTable()
		for key, item := range from {
			table.RawSetString(key, value(l, item))
		}
		return table
	default:
		return lua.LNil
	}
}

// run runs a script on an object within the second that Argo CD grants it, and gives the table that it returns.
func run(t *testing.T, script string, object map[string]any) *lua.LTable {
	t.Helper()
	l := lua.NewState(lua.Options{SkipOpenLibs: true})
	defer l.Close()
	for _, library := range []struct {
		name string
		open lua.LGFunction
	}{{lua.LoadLibName, lua.OpenPackage}, {lua.BaseLibName, lua.OpenBase}, {lua.TabLibName, lua.OpenTable}} {
		call := lua.P{Fn: l.NewFunction(library.open), Protect: true}
		if err := l.CallByParam(call, lua.LString(library.name)); err != nil {
			t.Fatal(err)
		}
	}
	// Argo CD lends it the time of day alone.
	l.PreloadModule("os", func(l *lua.LState) int {
		lua.OpenOs(l)
		whole := l.GetGlobal("os").(*lua.LTable)
		lent := l.NewTable()
		for _, name := range []string{"time", "date"} {
			lent.RawSetString(name, whole.RawGetString(name))
		}
		l.SetGlobal("os", lua.LNil)
		l.Push(lent)
		return 1
	})
	limit, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	l.SetContext(limit)
	l.SetGlobal("obj", value(l, object))
	if err := l.DoString(script); err != nil {
		t.Fatal(err)
	}
	table, ok := l.Get(-1).(*lua.LTable)
	if !ok {
		t.Fatalf("the script gives a %s", l.Get(-1).Type())
	}
	return table
}

// judge asks a script for an object's health.
func judge(t *testing.T, script string, object map[string]any) health {
	t.Helper()
	said := health{}
	run(t, script, object).ForEach(func(key, is lua.LValue) {
		switch key.String() {
		case "status":
			said.Status = is.String()
		case "message":
			said.Message = is.String()
		default:
			t.Errorf("Argo CD knows no %s", key)
		}
	})
	return said
}

// each runs a check on every state of both kinds.
func each(t *testing.T, check func(t *testing.T, script string, object *unstructured.Unstructured, expected health)) {
	for kind, script := range scripts(t) {
		directory := filepath.Join(argocd, "resource_customizations", group, kind)
		var suite struct {
			Tests []expectation `json:"tests"`
		}
		read(t, filepath.Join(directory, "health_test.yaml"), &suite)
		if len(suite.Tests) < 10 {
			t.Fatalf("%s has %d states", kind, len(suite.Tests))
		}
		for _, it := range suite.Tests {
			t.Run(kind+"/"+strings.TrimSuffix(filepath.Base(it.InputPath), ".yaml"), func(t *testing.T) {
				text, err := os.ReadFile(filepath.Join(directory, it.InputPath))
				if err != nil {
					t.Fatal(err)
				}
				asJSON, err := yaml.YAMLToJSON(text)
				if err != nil {
					t.Fatal(err)
				}
				object := &unstructured.Unstructured{}
				if err := object.UnmarshalJSON(asJSON); err != nil {
					t.Fatal(err)
				}
				check(t, script, object, it.HealthStatus)
			})
		}
	}
}

func TestArgoCDSaysOfEveryStateWhatItIsToSay(t *testing.T) {
	each(t, func(t *testing.T, script string, object *unstructured.Unstructured, expected health) {
		if said := judge(t, script, object.Object); said != expected {
			t.Errorf("Argo CD would say %+v, it is to say %+v", said, expected)
		}
	})
}

// Flux has no word for suspended: it goes by the conditions, which stay as they were.
func TestFluxAgreesWithArgoCD(t *testing.T) {
	each(t, func(t *testing.T, _ string, object *unstructured.Unstructured, expected health) {
		result, err := status.Compute(object)
		if err != nil {
			t.Fatal(err)
		}
		agree := map[string][]status.Status{
			"Healthy":     {status.CurrentStatus},
			"Progressing": {status.InProgressStatus},
			"Degraded":    {status.FailedStatus},
			"Suspended":   {status.CurrentStatus, status.InProgressStatus},
		}[expected.Status]
		if object.GetDeletionTimestamp() != nil {
			agree = []status.Status{status.TerminatingStatus}
		}
		for _, it := range agree {
			if it == result.Status {
				return
			}
		}
		t.Errorf("kstatus says %s (%s), Argo CD %s (%s)", result.Status, result.Message, expected.Status, expected.Message)
	})
}

// What a person is to do is the message, in both tools.
func TestFluxAndArgoCDSayWhatToDo(t *testing.T) {
	each(t, func(t *testing.T, _ string, object *unstructured.Unstructured, expected health) {
		result, err := status.Compute(object)
		if err != nil {
			t.Fatal(err)
		}
		if result.Status == status.FailedStatus && result.Message != expected.Message {
			t.Errorf("kstatus says %q, Argo CD %q", result.Message, expected.Message)
		}
	})
}

// A status that nobody but a forger writes must not make the script fail: Argo CD would show Unknown.
func TestTheScriptsBearAnyStatus(t *testing.T) {
	for kind, script := range scripts(t) {
		for name, object := range map[string]map[string]any{
			"no spec and no status":   {"metadata": map[string]any{"generation": int64(1)}},
			"conditions of no type":   {"metadata": map[string]any{"generation": int64(1)}, "status": map[string]any{"observedGeneration": int64(1), "conditions": []any{map[string]any{}}}},
			"no message while going":  {"metadata": map[string]any{"deletionTimestamp": "2026-01-01T00:00:00Z"}, "status": map[string]any{"conditions": []any{map[string]any{"type": "Ready", "status": "False"}}}},
			"conditions that are not": {"metadata": map[string]any{"generation": int64(1)}, "status": map[string]any{"observedGeneration": int64(1)}},
		} {
			t.Run(kind+"/"+name, func(t *testing.T) {
				if said := judge(t, script, object); said.Status != "Progressing" {
					t.Errorf("it is %+v", said)
				}
			})
		}
	}
}

// actions gives the scripts of the actions as an administrator configures them: the one that says which there are, and
// what each does.
func actions(t *testing.T) (string, map[string]string) {
	t.Helper()
	var configMap struct {
		Data map[string]string `json:"data"`
	}
	text, err := os.ReadFile(filepath.Join(argocd, "argocd-cm.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if err := yaml.Unmarshal(text, &configMap); err != nil {
		t.Fatal(err)
	}
	var configured struct {
		Discovery   string `json:"discovery.lua"`
		Definitions []struct {
			Name   string `json:"name"`
			Action string `json:"action.lua"`
		} `json:"definitions"`
	}
	value := configMap.Data["resource.customizations.actions."+group+"_ECRRepository"]
	if err := yaml.UnmarshalStrict([]byte(value), &configured); err != nil {
		t.Fatal(err)
	}
	found := map[string]string{}
	for _, it := range configured.Definitions {
		found[it.Name] = it.Action
	}
	return configured.Discovery, found
}

func TestActionsAreOfferedWhereTheyDoSomething(t *testing.T) {
	discovery, scripts := actions(t)
	for name, suspended := range map[string]bool{"going": false, "suspended": true} {
		t.Run(name, func(t *testing.T) {
			object := map[string]any{"metadata": map[string]any{"name": "api"}, "spec": map[string]any{"suspend": suspended}}
			offered := map[string]bool{}
			run(t, discovery, object).ForEach(func(name, it lua.LValue) {
				offered[name.String()] = !lua.LVAsBool(it.(*lua.LTable).RawGetString("disabled"))
			})
			expected := map[string]bool{"reconcile": !suspended, "suspend": !suspended, "resume": suspended}
			if !reflect.DeepEqual(offered, expected) {
				t.Errorf("it offers %v", offered)
			}
			if len(scripts) != len(offered) {
				t.Errorf("there are %d scripts", len(scripts))
			}
		})
	}
}

func TestActionsChangeWhatTheySay(t *testing.T) {
	_, scripts := actions(t)
	bare := func() map[string]any {
		return map[string]any{"metadata": map[string]any{"name": "api"}, "spec": map[string]any{}}
	}
	at := func(table *lua.LTable, path ...string) lua.LValue {
		var it lua.LValue = table
		for _, key := range path {
			it = it.(*lua.LTable).RawGetString(key)
		}
		return it
	}
	asked := at(run(t, scripts["reconcile"], bare()), "metadata", "annotations", group+"/reconcile-requested-at").String()
	if when, err := time.Parse(time.RFC3339, asked); err != nil || time.Since(when) > time.Minute {
		t.Errorf("it asks at %q", asked)
	}
	for _, object := range []map[string]any{bare(), {"metadata": map[string]any{}}} {
		if is := at(run(t, scripts["suspend"], object), "spec", "suspend"); is != lua.LTrue {
			t.Errorf("it is suspended: %v", is)
		}
	}
	suspended := bare()
	suspended["spec"] = map[string]any{"suspend": true}
	if is := at(run(t, scripts["resume"], suspended), "spec", "suspend"); is != lua.LNil {
		t.Errorf("it is left to Git: %v", is)
	}
}
