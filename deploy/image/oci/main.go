// Command oci-image makes an archive of the operator's image out of a directory that ../rootfs.sh has put together,
// without a container engine. What it says of the image is what the Dockerfile says, to which a test holds it.
//
//	oci-image -root DIRECTORY -out FILE -version VERSION [-revision COMMIT] [-created TIME] [-source URL]
//
// The same directory and flags give the same bytes. The archive is an OCI image layout, and has Docker's manifest.json
// beside it: skopeo, podman, crane, kind, ctr and docker load each read one of the two. The image's digest is printed.
package main

import (
	"flag"
	"fmt"
	"os"
	"runtime"
	"time"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "oci-image:", err)
		os.Exit(1)
	}
}

func run() error {
	var about About
	root := flag.String("root", "", "the directory that is the image's root")
	out := flag.String("out", "", "the archive to write")
	created := flag.String("created", "1970-01-01T00:00:00Z", "when, as RFC 3339: of the image and of every file in it")
	flag.StringVar(&about.Version, "version", "", "the operator's version")
	flag.StringVar(&about.Revision, "revision", "unknown", "the commit")
	flag.StringVar(&about.Source, "source", "unknown", "where the sources are")
	flag.StringVar(&about.Architecture, "arch", runtime.GOARCH, "the program's architecture, as Go calls it")
	flag.Parse()
	if *root == "" || *out == "" || about.Version == "" || flag.NArg() != 0 {
		flag.Usage()
		return fmt.Errorf("name -root, -out and -version")
	}
	at, err := time.Parse(time.RFC3339, *created)
	if err != nil {
		return fmt.Errorf("-created: %w", err)
	}
	about.Created = at.UTC()
	image, err := Image(*root, about)
	if err != nil {
		return err
	}
	// Under its final name only when it is whole.
	if err := Archive(image, about, *out+".new"); err != nil {
		return err
	}
	if err := os.Rename(*out+".new", *out); err != nil {
		return err
	}
	digest, err := image.Digest()
	if err != nil {
		return err
	}
	fmt.Println(digest)
	return nil
}
