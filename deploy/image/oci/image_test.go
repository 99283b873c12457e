package main

import (
	"archive/tar"
	"bytes"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/validate"
)

var about = About{
	Version: "1.2.3", Revision: "0123", Source: "https://example.com", Architecture: "amd64",
	Created: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC),
}

// root is a directory with a program and a file in it, made with this mode of everything else.
func root(t *testing.T, mode os.FileMode) string {
	t.Helper()
	directory := t.TempDir()
	if err := os.MkdirAll(filepath.Join(directory, "etc"), mode|0o700); err != nil {
		t.Fatal(err)
	}
	for name, mode := range map[string]os.FileMode{"ecr-operator": mode | 0o700, "etc/passwd": mode | 0o600} {
		if err := os.WriteFile(filepath.Join(directory, name), []byte(name), mode); err != nil {
			t.Fatal(err)
		}
	}
	return directory
}

func archive(t *testing.T, root string) string {
	t.Helper()
	image, err := Image(root, about)
	if err != nil {
		t.Fatal(err)
	}
	out := filepath.Join(t.TempDir(), "image.tar")
	if err := Archive(image, about, out); err != nil {
		t.Fatal(err)
	}
	return out
}

func read(t *testing.T, path string) []byte {
	t.Helper()
	content, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return content
}

// Whoever builds it, whenever, under whatever umask.
func TestTheSameContentIsTheSameArchive(t *testing.T) {
	if !bytes.Equal(read(t, archive(t, root(t, 0o755))), read(t, archive(t, root(t, 0o700)))) {
		t.Fatal("two builds of the same content differ")
	}
}

// As crane and `docker load` read it.
func TestItIsDockersArchive(t *testing.T) {
	image, err := tarball.ImageFromPath(archive(t, root(t, 0o755)), nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Image(image); err != nil {
		t.Fatal(err)
	}
}

// As skopeo, podman, kind and ctr read it.
func TestItIsAnOCILayout(t *testing.T) {
	directory := t.TempDir()
	unpack(t, archive(t, root(t, 0o755)), directory)
	index, err := layout.ImageIndexFromPath(directory)
	if err != nil {
		t.Fatal(err)
	}
	if err := validate.Index(index); err != nil {
		t.Fatal(err)
	}
	manifest, err := index.IndexManifest()
	if err != nil {
		t.Fatal(err)
	}
	only := manifest.Manifests[0]
	if len(manifest.Manifests) != 1 || only.Platform.String() != "linux/amd64" {
		t.Fatalf("%+v", manifest)
	}
	if name := only.Annotations["org.opencontainers.image.ref.name"]; name != "1.2.3" {
		t.Fatal(name)
	}
}

func unpack(t *testing.T, path, directory string) {
	t.Helper()
	reader := tar.NewReader(bytes.NewReader(read(t, path)))
	for {
		header, err := reader.Next()
		if err == io.EOF {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		to := filepath.Join(directory, header.Name)
		content, err := io.ReadAll(reader)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.MkdirAll(filepath.Dir(to), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(to, content, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func TestWhatIsNoFileIsRefused(t *testing.T) {
	directory := root(t, 0o755)
	if err := os.Symlink("passwd", filepath.Join(directory, "etc/link")); err != nil {
		t.Fatal(err)
	}
	if _, err := Image(directory, about); err == nil {
		t.Fatal("a link was taken")
	}
}
