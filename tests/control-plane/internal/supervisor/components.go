package supervisor

import (
	"fmt"
	"net"
	"os"
	"path/filepath"
)

// ports are free loopback ports. Nothing holds them until the components listen, so a start that
// loses one is tried again with others.
type ports struct{ etcdClient, etcdPeer, apiServer int }

func freePorts() (ports, error) {
	var chosen [3]int
	for i := range chosen {
		listener, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return ports{}, fmt.Errorf("no free loopback port: %w", err)
		}
		// Closed only at the end, or the same one could be given twice.
		defer listener.Close()
		chosen[i] = listener.Addr().(*net.TCPAddr).Port
	}
	return ports{etcdClient: chosen[0], etcdPeer: chosen[1], apiServer: chosen[2]}, nil
}

func (p ports) etcd() string     { return fmt.Sprintf("https://127.0.0.1:%d", p.etcdClient) }
func (p ports) etcdSelf() string { return fmt.Sprintf("https://127.0.0.1:%d", p.etcdPeer) }
func (p ports) server() string   { return fmt.Sprintf("https://127.0.0.1:%d", p.apiServer) }

func etcdArgs(dir string, at ports, ca *pki) []string {
	return []string{
		"--data-dir=" + filepath.Join(dir, "etcd"),
		"--listen-client-urls=" + at.etcd(),
		"--advertise-client-urls=" + at.etcd(),
		"--listen-peer-urls=" + at.etcdSelf(),
		"--initial-advertise-peer-urls=" + at.etcdSelf(),
		"--initial-cluster=default=" + at.etcdSelf(),
		"--cert-file=" + ca.path("etcd.crt"),
		"--key-file=" + ca.path("etcd.key"),
		"--client-cert-auth",
		"--trusted-ca-file=" + ca.path("ca.crt"),
		"--peer-cert-file=" + ca.path("etcd.crt"),
		"--peer-key-file=" + ca.path("etcd.key"),
		"--peer-client-cert-auth",
		"--peer-trusted-ca-file=" + ca.path("ca.crt"),
		// The data dies with us: waiting for the disk protects nothing.
		"--unsafe-no-fsync",
		"--log-level=warn",
	}
}

func apiServerArgs(dir string, at ports, ca *pki, audit bool) []string {
	args := []string{
		"--bind-address=127.0.0.1",
		"--advertise-address=127.0.0.1",
		fmt.Sprintf("--secure-port=%d", at.apiServer),
		"--tls-cert-file=" + ca.path("apiserver.crt"),
		"--tls-private-key-file=" + ca.path("apiserver.key"),
		"--client-ca-file=" + ca.path("ca.crt"),
		"--etcd-servers=" + at.etcd(),
		"--etcd-cafile=" + ca.path("ca.crt"),
		"--etcd-certfile=" + ca.path("etcd-client.crt"),
		"--etcd-keyfile=" + ca.path("etcd-client.key"),
		"--authorization-mode=Node,RBAC",
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file=" + ca.path("service-account.pub"),
		"--service-account-signing-key-file=" + ca.path("service-account.key"),
		"--service-cluster-ip-range=10.96.0.0/16",
		// A loopback address is refused as an endpoint, and nothing here runs in a pod that would
		// want the kubernetes Service.
		"--endpoint-reconciler-type=none",
		"--profiling=false",
	}
	if audit {
		args = append(args,
			"--audit-policy-file="+filepath.Join(dir, "audit-policy.yaml"),
			"--audit-log-path="+filepath.Join(dir, "audit.log"))
	}
	return args
}

func controllerManagerArgs(dir string, ca *pki) []string {
	return []string{
		"--kubeconfig=" + filepath.Join(dir, "controller-manager.kubeconfig"),
		"--use-service-account-credentials=true",
		"--service-account-private-key-file=" + ca.path("service-account.key"),
		"--root-ca-file=" + ca.path("ca.crt"),
		"--leader-elect=false",
		// No server of its own: readiness is asked of the objects that it makes.
		"--secure-port=0",
		// A test's namespace should not wait behind the polite defaults of a shared cluster.
		"--kube-api-qps=200",
		"--kube-api-burst=400",
		"--profiling=false",
	}
}

// auditPolicy keeps who asked for what and when; of changes to what users write for the operator also
// the object as it was accepted, because tests judge by it what was permitted at a time. Status is no
// wish of theirs, and is left out: the log stays small.
const auditPolicy = `apiVersion: audit.k8s.io/v1
kind: Policy
omitStages: [RequestReceived]
omitManagedFields: true
rules:
- level: RequestResponse
  verbs: [create, update, patch, delete, deletecollection]
  resources:
  - group: ecr-operator.dev
    resources: [ecrrepositories, ecrrepositoryclasses]
- level: Metadata
`

// writeCredentials makes every certificate and kubeconfig of a control plane.
func writeCredentials(dir string, at ports) (*pki, error) {
	ca, err := newPKI(filepath.Join(dir, "pki"))
	if err != nil {
		return nil, err
	}
	admin := filepath.Join(dir, "admin.kubeconfig")
	manager := filepath.Join(dir, "controller-manager.kubeconfig")
	steps := []func() error{
		func() error { return ca.serving("etcd") },
		func() error { return ca.serving("apiserver") },
		func() error { return ca.client("etcd-client", "kube-apiserver") },
		func() error { return ca.client("admin", "admin", "system:masters") },
		func() error { return ca.client("controller-manager", "system:kube-controller-manager") },
		func() error { return ca.keyPair("service-account") },
		func() error { return writeKubeconfig(admin, at.server(), "admin", ca) },
		func() error { return writeKubeconfig(manager, at.server(), "controller-manager", ca) },
		func() error {
			return os.WriteFile(filepath.Join(dir, "audit-policy.yaml"), []byte(auditPolicy), 0o600)
		},
	}
	for _, step := range steps {
		if err := step(); err != nil {
			return nil, fmt.Errorf("write the certificates: %w", err)
		}
	}
	return ca, nil
}
