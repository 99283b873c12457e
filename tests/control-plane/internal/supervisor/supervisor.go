// Package supervisor runs a Kubernetes control plane for tests and for the local stack.
//
// Invariant: no process of it outlives the supervisor, however that ends.
package supervisor

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"
)

// Options say what to start.
type Options struct {
	// Dir holds certificates, data and logs.
	Dir string
	// Audit asks for Dir/audit.log.
	Audit bool
	// Timeout bounds the wait for readiness.
	Timeout time.Duration
}

// endpoint is what the caller learns, as one line of JSON.
type endpoint struct {
	Kubeconfig string `json:"kubeconfig"`
	Server     string `json:"server"`
	CAFile     string `json:"caFile"`
}

// attempts is how often a start is tried whose port somebody else took.
const attempts = 5

var errPortTaken = errors.New("a port was taken")

// Run starts a fresh control plane, reports it on out once it is ready, and runs it until ctx ends.
// A component that ends by itself is an error, and takes the others down.
func Run(ctx context.Context, options Options, out io.Writer) error {
	dir, err := prepareDir(options.Dir)
	if err != nil {
		return err
	}
	options.Dir = dir
	spawn := newSpawner()
	for range attempts {
		err = runOnce(ctx, options, spawn, out)
		if !errors.Is(err, errPortTaken) {
			return err
		}
	}
	return fmt.Errorf("%d starts in a row lost a port to another program: %w", attempts, err)
}

func runOnce(ctx context.Context, options Options, spawn spawner, out io.Writer) error {
	if err := forget(options.Dir); err != nil {
		return err
	}
	at, err := freePorts()
	if err != nil {
		return err
	}
	ca, err := writeCredentials(options.Dir, at)
	if err != nil {
		return err
	}
	// The next start is a fresh cluster: nobody reads what etcd held, a hundred megabytes and more.
	defer func() { _ = os.RemoveAll(filepath.Join(options.Dir, "etcd")) }()
	running, err := startAll(ctx, options, spawn, at, ca)
	defer running.stop()
	if err != nil || ctx.Err() != nil {
		return err
	}
	if err := report(out, options.Dir, at, ca); err != nil {
		return err
	}
	alive, cancel := running.whileAlive(ctx)
	defer cancel(nil)
	<-alive.Done()
	if ctx.Err() != nil {
		return nil
	}
	// %v: whoever reads our line counts on this start, so it is not made again.
	return fmt.Errorf("after it was ready: %v", context.Cause(alive))
}

func report(out io.Writer, dir string, at ports, ca *pki) error {
	line, err := json.Marshal(endpoint{
		Kubeconfig: filepath.Join(dir, "admin.kubeconfig"),
		Server:     at.server(),
		CAFile:     ca.path("ca.crt"),
	})
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(out, "%s\n", line)
	return err
}

func prepareDir(dir string) (string, error) {
	absolute, err := filepath.Abs(dir)
	if err != nil {
		return "", err
	}
	if err := os.MkdirAll(absolute, 0o700); err != nil {
		return "", fmt.Errorf("--dir: %w", err)
	}
	return absolute, nil
}

// forget removes what an earlier start left: each one is a fresh cluster.
func forget(dir string) error {
	for _, name := range []string{"etcd", "pki", "audit.log", "admin.kubeconfig", "controller-manager.kubeconfig"} {
		if err := os.RemoveAll(filepath.Join(dir, name)); err != nil {
			return fmt.Errorf("remove what an earlier start left: %w", err)
		}
	}
	return nil
}
