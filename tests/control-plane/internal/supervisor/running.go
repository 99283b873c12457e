package supervisor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"
)

// running are the components that were started, in that order.
type running []*process

// stage starts one component; awaits, where set, is what must answer 200 before the next starts.
type stage struct {
	component string
	args      []string
	awaits    string
}

// stages is the way to a ready control plane. The controller manager gives up when the API server
// takes more than ten seconds, so on a busy machine it must not start beside it; that it works shows
// in the service account that it makes.
func stages(options Options, at ports, ca *pki) []stage {
	return []stage{
		{"etcd", etcdArgs(options.Dir, at, ca), ""},
		{"kube-apiserver", apiServerArgs(options.Dir, at, ca, options.Audit), "/readyz"},
		{
			"kube-controller-manager", controllerManagerArgs(options.Dir, ca),
			"/api/v1/namespaces/default/serviceaccounts/default",
		},
	}
}

// startAll runs the stages. It returns what it has started also when it fails, and no error when ctx
// ends first.
func startAll(ctx context.Context, options Options, spawn spawner, at ports, ca *pki) (running, error) {
	client, err := adminClient(ca)
	if err != nil {
		return nil, err
	}
	defer client.CloseIdleConnections()
	deadline := time.After(options.Timeout)
	var all running
	for _, stage := range stages(options, at, ca) {
		started, err := spawn.start(options.Dir, stage.component, stage.args)
		if err != nil {
			return all, err
		}
		all = append(all, started)
		if stage.awaits == "" {
			continue
		}
		if err := all.await(ctx, client, at.server()+stage.awaits, deadline); err != nil {
			return all, err
		}
	}
	return all, nil
}

// await waits until url answers 200, a component ends, the deadline passes or ctx ends.
func (r running) await(ctx context.Context, client *http.Client, url string, deadline <-chan time.Time) error {
	// Also ends a request that is under way: where another program has our port, it may never be
	// answered.
	alive, cancel := r.whileAlive(ctx)
	defer cancel(nil)
	tick := time.NewTicker(25 * time.Millisecond)
	defer tick.Stop()
	for !answers(alive, client, url) {
		select {
		case <-alive.Done():
			if ctx.Err() != nil {
				return nil
			}
			return context.Cause(alive)
		case <-deadline:
			return fmt.Errorf("%s does not answer 200 within the --timeout; look at the logs beside %s",
				url, r[0].logPath)
		case <-tick.C:
		}
	}
	return nil
}

// whileAlive ends with the first component that ends by itself; the cause says which, and how.
func (r running) whileAlive(ctx context.Context) (context.Context, context.CancelCauseFunc) {
	alive, cancel := context.WithCancelCause(ctx)
	for _, p := range r {
		go func() {
			select {
			case <-p.done:
				cancel(p.ended())
			case <-alive.Done():
			}
		}()
	}
	return alive, cancel
}

// stop stops the last one started first.
func (r running) stop() {
	for i := len(r) - 1; i >= 0; i-- {
		r[i].stop()
	}
}

func answers(ctx context.Context, client *http.Client, url string) bool {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return false
	}
	response, err := client.Do(request)
	if err != nil {
		return false
	}
	defer response.Body.Close()
	_, _ = io.Copy(io.Discard, response.Body)
	return response.StatusCode == http.StatusOK
}

func adminClient(ca *pki) (*http.Client, error) {
	root, err := os.ReadFile(ca.path("ca.crt"))
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(root)
	admin, err := tls.LoadX509KeyPair(ca.path("admin.crt"), ca.path("admin.key"))
	if err != nil {
		return nil, err
	}
	return &http.Client{
		Timeout: 5 * time.Second,
		Transport: &http.Transport{
			TLSClientConfig: &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{admin}},
		},
	}, nil
}
