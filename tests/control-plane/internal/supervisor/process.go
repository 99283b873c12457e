package supervisor

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"syscall"
)

// process is a running component.
type process struct {
	name    string
	logPath string
	cmd     *exec.Cmd
	done    chan struct{} // closed once it has ended; err is set before
	err     error
}

// spawner starts processes that die with us.
type spawner chan func()

// newSpawner returns one that starts every process from a single OS thread which lives as long as we
// do: the kernel sends the parent-death signal when the *thread* that forked ends, and the Go runtime
// ends threads as it likes.
func newSpawner() spawner {
	requests := make(spawner)
	go func() {
		runtime.LockOSThread()
		for request := range requests {
			request()
		}
	}()
	return requests
}

// start starts a component with its output in a log file.
func (s spawner) start(dir, name string, args []string) (*process, error) {
	program, err := programPath(name)
	if err != nil {
		return nil, err
	}
	logPath := filepath.Join(dir, name+".log")
	log, err := os.Create(logPath)
	if err != nil {
		return nil, err
	}
	defer log.Close() // the child has its own descriptor
	cmd := &exec.Cmd{
		Path:   program,
		Args:   append([]string{name}, args...),
		Env:    os.Environ(),
		Dir:    dir,
		Stdout: log,
		Stderr: log,
		SysProcAttr: &syscall.SysProcAttr{
			Pdeathsig: syscall.SIGKILL,
			// Ctrl-C in a terminal reaches us alone, and we stop the rest.
			Setpgid: true,
		},
	}
	started := make(chan error)
	s <- func() { started <- cmd.Start() }
	if err := <-started; err != nil {
		return nil, fmt.Errorf("start %s from %s: %w", name, program, err)
	}
	p := &process{name: name, logPath: logPath, cmd: cmd, done: make(chan struct{})}
	go func() {
		p.err = cmd.Wait()
		close(p.done)
	}()
	return p, nil
}

// stop kills: nothing of a control plane outlives its supervisor, so there is nothing to flush.
func (p *process) stop() {
	_ = p.cmd.Process.Kill()
	<-p.done
}

// ended says how the process ended and shows the end of its log. It is errPortTaken where somebody
// took its port between our look and its start.
func (p *process) ended() error {
	how := "exit status 0"
	if p.err != nil {
		how = p.err.Error()
	}
	content, err := os.ReadFile(p.logPath)
	if err != nil {
		content = []byte(err.Error())
	}
	log := string(content)
	if strings.Contains(log, "address already in use") {
		return fmt.Errorf("%s: %w", p.name, errPortTaken)
	}
	return fmt.Errorf("%s ended by itself (%s); the end of %s:\n%s", p.name, how, p.logPath, tail(log, 15))
}

func tail(log string, lines int) string {
	all := strings.Split(strings.TrimRight(log, "\n"), "\n")
	return "  " + strings.Join(all[max(0, len(all)-lines):], "\n  ")
}

// programPath prefers the program in KUBEBUILDER_ASSETS, the ecosystem's way to name another build;
// what is not there is ourselves under another name.
func programPath(name string) (string, error) {
	if assets := os.Getenv("KUBEBUILDER_ASSETS"); assets != "" {
		candidate, err := filepath.Abs(filepath.Join(assets, name))
		if err != nil {
			return "", err
		}
		if _, err := os.Stat(candidate); err == nil {
			return candidate, nil
		} else if !errors.Is(err, os.ErrNotExist) {
			return "", fmt.Errorf("KUBEBUILDER_ASSETS: %w", err)
		}
	}
	return os.Executable()
}
