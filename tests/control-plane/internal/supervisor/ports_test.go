package supervisor

import (
	"context"
	"errors"
	"net"
	"path/filepath"
	"testing"
	"time"
)

// Somebody may take a port between our look and a component's start: it must be told from a failure,
// because only then is it worth another try.
func TestATakenPortIsRecognised(t *testing.T) {
	t.Setenv("KUBEBUILDER_ASSETS", filepath.Join(filepath.Dir(program(t)), "bin"))
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	taken := listener.Addr().(*net.TCPAddr).Port

	for name, take := range map[string]func(*ports){
		"etcd":           func(p *ports) { p.etcdClient = taken },
		"etcd's peers":   func(p *ports) { p.etcdPeer = taken },
		"kube-apiserver": func(p *ports) { p.apiServer = taken },
	} {
		t.Run(name, func(t *testing.T) {
			at, err := freePorts()
			if err != nil {
				t.Fatal(err)
			}
			take(&at)
			dir := t.TempDir()
			ca, err := writeCredentials(dir, at)
			if err != nil {
				t.Fatal(err)
			}
			options := Options{Dir: dir, Timeout: time.Minute}
			started, err := startAll(context.Background(), options, newSpawner(), at, ca)
			started.stop()
			if !errors.Is(err, errPortTaken) {
				t.Errorf("expected %v: %v", errPortTaken, err)
			}
		})
	}
}
