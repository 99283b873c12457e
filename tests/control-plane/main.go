// Command control-plane is etcd, kube-apiserver, kube-controller-manager and kubectl in one binary,
// and the supervisor that runs the first three for tests and for the local stack.
//
// Called by the name of one of the four it is that program; under its own name it is the supervisor.
// One binary instead of four shares what they have in common: a third of the size and of the time to
// link.
package main

import (
	"context"
	"flag"
	"fmt"
	"io"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"

	"ecr-operator.dev/control-plane/internal/supervisor"
)

const usage = `usage: control-plane start --dir DIR [--until-stdin-closes] [--audit] [--timeout 2m]

Starts a fresh Kubernetes control plane on free loopback ports. When it is ready, one line of JSON
on stdout says how to reach it. It stops on SIGTERM and SIGINT.

Called as etcd, kube-apiserver, kube-controller-manager or kubectl, it is that program.
`

func main() {
	if component, ok := components[filepath.Base(os.Args[0])]; ok {
		component()
		return
	}
	if err := supervise(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "control-plane:", err)
		os.Exit(1)
	}
}

func supervise(args []string) error {
	if len(args) == 0 || args[0] != "start" {
		fmt.Fprint(os.Stderr, usage)
		os.Exit(2)
	}
	var options supervisor.Options
	flags := flag.NewFlagSet("control-plane start", flag.ExitOnError)
	flags.StringVar(&options.Dir, "dir", "", "where certificates, data and logs go; what an earlier start left there is replaced")
	flags.BoolVar(&options.Audit, "audit", false, "write DIR/audit.log")
	flags.DurationVar(&options.Timeout, "timeout", 2*time.Minute, "how long to wait for readiness")
	untilStdinCloses := flags.Bool("until-stdin-closes", false, "also stop when stdin reaches its end, so that whoever holds the other end of the pipe cannot die and leave us behind")
	_ = flags.Parse(args[1:]) // ExitOnError: it does not return one
	if options.Dir == "" {
		return fmt.Errorf("--dir is missing: name a directory for certificates, data and logs")
	}

	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	if *untilStdinCloses {
		go func() {
			_, _ = io.Copy(io.Discard, os.Stdin)
			stop()
		}()
	}
	return supervisor.Run(ctx, options, os.Stdout)
}
