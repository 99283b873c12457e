package supervisor

import (
	"encoding/base64"
	"fmt"
	"os"
)

const kubeconfigTemplate = `apiVersion: v1
kind: Config
clusters:
- name: control-plane
  cluster:
    server: %s
    certificate-authority-data: %s
users:
- name: %s
  user:
    client-certificate-data: %s
    client-key-data: %s
contexts:
- name: control-plane
  context: {cluster: control-plane, user: %s}
current-context: control-plane
`

// writeKubeconfig writes one that carries its certificates inside, so that it can be copied.
func writeKubeconfig(path, server, user string, ca *pki) error {
	var encoded []any
	for _, name := range []string{"ca.crt", user + ".crt", user + ".key"} {
		content, err := os.ReadFile(ca.path(name))
		if err != nil {
			return err
		}
		encoded = append(encoded, base64.StdEncoding.EncodeToString(content))
	}
	text := fmt.Sprintf(kubeconfigTemplate, server, encoded[0], user, encoded[1], encoded[2], user)
	return os.WriteFile(path, []byte(text), 0o600)
}
