package supervisor

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// The tests drive the built program from outside: what it leaves behind shows only there.

const deadline = 3 * time.Minute

// helperDir makes the test binary a parent that starts a control plane and is killed.
const helperDir = "CONTROL_PLANE_TEST_HELPER_DIR"

func TestMain(m *testing.M) {
	if dir := os.Getenv(helperDir); dir != "" {
		parentThatIsKilled(dir)
		return
	}
	os.Exit(m.Run())
}

// controlPlane is a started one, with the pipe that keeps it alive.
type controlPlane struct {
	endpoint
	dir    string
	cmd    *exec.Cmd
	stdin  io.Closer
	stderr *bytes.Buffer
}

func program(t *testing.T) string {
	t.Helper()
	target := os.Getenv("CARGO_TARGET_DIR")
	if target == "" {
		target = "../../../../target"
	}
	path, err := filepath.Abs(filepath.Join(target, "control-plane", "control-plane"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(path); err != nil {
		t.Fatalf("%v: run `make control-plane` first", err)
	}
	return path
}

func start(t *testing.T, env ...string) *controlPlane {
	t.Helper()
	c := &controlPlane{dir: t.TempDir(), stderr: &bytes.Buffer{}}
	c.cmd = exec.Command(program(t), "start", "--until-stdin-closes", "--audit", "--dir", c.dir)
	c.cmd.Env = append(os.Environ(), env...)
	c.cmd.Stderr = c.stderr
	stdin, err := c.cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	stdout, err := c.cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	c.stdin = stdin
	if err := c.cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.stdin.Close(); _ = c.cmd.Process.Kill() })
	line, err := bufio.NewReader(stdout).ReadString('\n')
	if err != nil {
		t.Fatalf("no line on stdout: %v\n%s", err, c.stderr)
	}
	if err := json.Unmarshal([]byte(line), &c.endpoint); err != nil {
		t.Fatalf("%q: %v", line, err)
	}
	return c
}

func (c *controlPlane) kubectl(args ...string) (string, error) {
	kubectl := exec.Command(filepath.Join(filepath.Dir(c.cmd.Path), "bin", "kubectl"), args...)
	kubectl.Env = append(os.Environ(), "KUBECONFIG="+c.Kubeconfig, "KUBECACHEDIR="+filepath.Join(c.dir, "cache"))
	output, err := kubectl.CombinedOutput()
	return string(output), err
}

func (c *controlPlane) must(t *testing.T, args ...string) string {
	t.Helper()
	output, err := c.kubectl(args...)
	if err != nil {
		t.Fatalf("kubectl %s: %v\n%s", strings.Join(args, " "), err, output)
	}
	return strings.TrimSpace(output)
}

func TestControlPlane(t *testing.T) {
	c := start(t)
	t.Run("serves the version that it is", func(t *testing.T) {
		output := c.must(t, "version", "-o", "json")
		if strings.Count(output, `"gitVersion": "v1.37.2"`) != 2 {
			t.Errorf("client and server should be v1.37.2: %s", output)
		}
	})
	t.Run("removes a deleted namespace with what is in it", func(t *testing.T) {
		c.must(t, "create", "namespace", "short-lived")
		c.must(t, "create", "configmap", "content", "-n", "short-lived")
		c.must(t, "delete", "namespace", "short-lived", "--timeout=60s")
	})
	t.Run("refuses who has no role", func(t *testing.T) { refusesWhoHasNoRole(t, c) })
	t.Run("writes the audit log", func(t *testing.T) {
		content, err := os.ReadFile(filepath.Join(c.dir, "audit.log"))
		if err != nil || !bytes.Contains(content, []byte("short-lived")) {
			t.Errorf("no trace of namespace short-lived in audit.log (%v)", err)
		}
	})
}

func refusesWhoHasNoRole(t *testing.T, c *controlPlane) {
	token := c.must(t, "create", "token", "default", "-n", "default")
	client := &http.Client{Transport: &http.Transport{TLSClientConfig: &tls.Config{InsecureSkipVerify: true}}}
	for who, token := range map[string]string{"anonymous": "", "a service account": token} {
		request, err := http.NewRequest(http.MethodGet, c.Server+"/api/v1/namespaces/default/secrets", nil)
		if err != nil {
			t.Fatal(err)
		}
		if token != "" {
			request.Header.Set("Authorization", "Bearer "+token)
		}
		response, err := client.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		_ = response.Body.Close()
		if response.StatusCode != http.StatusForbidden {
			t.Errorf("%s got %s, not 403", who, response.Status)
		}
	}
}

func TestNothingIsLeftWhenStdinCloses(t *testing.T) {
	c := start(t)
	if found := processesOf(c.dir); len(found) != 4 {
		t.Fatalf("four processes should name %s: %v", c.dir, found)
	}
	_ = c.stdin.Close()
	if err := c.cmd.Wait(); err != nil {
		t.Errorf("a stop that was asked for is no error: %v\n%s", err, c.stderr)
	}
	eventuallyNone(t, c.dir)
	if _, err := os.Stat(filepath.Join(c.dir, "etcd")); !os.IsNotExist(err) {
		t.Errorf("what etcd held is left behind (%v)", err)
	}
}

func TestNothingIsLeftWhenTheSupervisorIsKilled(t *testing.T) {
	c := start(t)
	_ = c.cmd.Process.Kill()
	eventuallyNone(t, c.dir)
}

func TestNothingIsLeftWhenTheParentIsKilled(t *testing.T) {
	dir := t.TempDir()
	helper := exec.Command(os.Args[0])
	helper.Env = append(os.Environ(), helperDir+"="+dir)
	helper.Args = append(helper.Args, program(t))
	stdout, err := helper.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := helper.Start(); err != nil {
		t.Fatal(err)
	}
	if _, err := bufio.NewReader(stdout).ReadString('\n'); err != nil {
		t.Fatalf("the helper's control plane did not start: %v", err)
	}
	_ = helper.Process.Kill()
	_ = helper.Wait()
	eventuallyNone(t, dir)
}

// parentThatIsKilled is what the test binary does as helper: hold the pipe, pass on the ready line.
func parentThatIsKilled(dir string) {
	cmd := exec.Command(os.Args[len(os.Args)-1], "start", "--until-stdin-closes", "--dir", dir)
	if _, err := cmd.StdinPipe(); err != nil {
		panic(err)
	}
	cmd.Stdout, cmd.Stderr = os.Stdout, os.Stderr
	if err := cmd.Run(); err != nil {
		panic(err)
	}
}

func TestAComponentThatDiesTakesAllDownWithAMessage(t *testing.T) {
	c := start(t)
	for pid, name := range processesOf(c.dir) {
		if name == "etcd" {
			_ = syscall.Kill(pid, syscall.SIGKILL)
		}
	}
	if err := c.cmd.Wait(); err == nil {
		t.Error("exit status 0 after etcd died")
	}
	if !strings.Contains(c.stderr.String(), "etcd ended by itself (signal: killed)") {
		t.Errorf("the message does not name etcd: %s", c.stderr)
	}
	eventuallyNone(t, c.dir)
}

func TestKubebuilderAssetsComeFirst(t *testing.T) {
	assets := t.TempDir()
	ours := filepath.Join(filepath.Dir(program(t)), "bin", "etcd")
	script := fmt.Sprintf("#!/bin/sh\ntouch %s/used\nexec %s \"$@\"\n", assets, ours)
	if err := os.WriteFile(filepath.Join(assets, "etcd"), []byte(script), 0o700); err != nil {
		t.Fatal(err)
	}
	start(t, "KUBEBUILDER_ASSETS="+assets)
	if _, err := os.Stat(filepath.Join(assets, "used")); err != nil {
		t.Errorf("etcd of KUBEBUILDER_ASSETS was not used: %v", err)
	}
}

func TestADirectoryIsRequired(t *testing.T) {
	output, err := exec.Command(program(t), "start").CombinedOutput()
	if err == nil || !strings.Contains(string(output), "--dir is missing") {
		t.Errorf("%v: %s", err, output)
	}
}

// processesOf lists the living processes with dir on their command line, by their name there.
func processesOf(dir string) map[int]string {
	found := map[int]string{}
	files, _ := filepath.Glob("/proc/[0-9]*/cmdline")
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil || !bytes.Contains(content, []byte(dir)) {
			continue
		}
		pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(file)))
		name, _, _ := strings.Cut(string(content), "\x00")
		found[pid] = filepath.Base(name)
	}
	return found
}

func eventuallyNone(t *testing.T, dir string) {
	t.Helper()
	for end := time.Now().Add(deadline); time.Now().Before(end); time.Sleep(20 * time.Millisecond) {
		if len(processesOf(dir)) == 0 {
			return
		}
	}
	t.Fatalf("left behind: %v", processesOf(dir))
}
