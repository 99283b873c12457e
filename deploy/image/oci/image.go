package main

import (
	"archive/tar"
	"bytes"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"
)

// Name is the image's, before it has a registry's.
const Name = "ecr-operator"

// About is what differs from one build to the next.
type About struct {
	Version, Revision, Source, Architecture string
	Created                                 time.Time
}

// Image is the directory as an image of one layer.
func Image(root string, about About) (v1.Image, error) {
	content, err := layer(root, about.Created)
	if err != nil {
		return nil, err
	}
	open := func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(content)), nil }
	packed, err := tarball.LayerFromOpener(open, tarball.WithMediaType(types.OCILayer))
	if err != nil {
		return nil, err
	}
	image := mutate.ConfigMediaType(mutate.MediaType(empty.Image, types.OCIManifestSchema1), types.OCIConfigJSON)
	created := v1.Time{Time: about.Created}
	history := v1.History{Created: created, CreatedBy: "deploy/image/oci"}
	image, err = mutate.Append(image, mutate.Addendum{Layer: packed, History: history})
	if err != nil {
		return nil, err
	}
	file, err := image.ConfigFile()
	if err != nil {
		return nil, err
	}
	file = file.DeepCopy()
	file.OS, file.Architecture, file.Created = "linux", about.Architecture, created
	file.Config = config(about)
	return mutate.ConfigFile(image, file)
}

// config is what the Dockerfile's last stage says.
func config(about About) v1.Config {
	const label = "org.opencontainers.image."
	return v1.Config{
		User:       "65532:65532",
		Entrypoint: []string{"/ecr-operator"},
		Cmd:        []string{"run"},
		WorkingDir: "/",
		Env:        []string{"PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"},
		Labels: map[string]string{
			label + "title":       Name,
			label + "description": "A Kubernetes operator that makes AWS ECR match custom resources",
			label + "licenses":    "Apache-2.0",
			label + "version":     about.Version,
			label + "revision":    about.Revision,
			label + "created":     about.Created.Format(time.RFC3339),
			label + "source":      about.Source,
		},
	}
}

// layer is the directory as a tar: in order of names, all of it root's and of one time.
func layer(root string, at time.Time) ([]byte, error) {
	var content bytes.Buffer
	archive := tar.NewWriter(&content)
	// WalkDir goes in order of names.
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || path == root {
			return err
		}
		return add(archive, root, path, entry, at)
	})
	if err != nil {
		return nil, err
	}
	if err := archive.Close(); err != nil {
		return nil, err
	}
	return content.Bytes(), nil
}

func add(archive *tar.Writer, root, path string, entry fs.DirEntry, at time.Time) error {
	name, err := filepath.Rel(root, path)
	if err != nil {
		return err
	}
	info, err := entry.Info()
	if err != nil {
		return err
	}
	header := tar.Header{Name: filepath.ToSlash(name), ModTime: at, Format: tar.FormatPAX, Mode: 0o644}
	switch {
	case info.IsDir():
		header.Typeflag, header.Name, header.Mode = tar.TypeDir, header.Name+"/", 0o755
		return archive.WriteHeader(&header)
	case info.Mode().IsRegular():
		header.Typeflag, header.Size = tar.TypeReg, info.Size()
		// Whatever the umask was where it was put together.
		if info.Mode()&0o111 != 0 {
			header.Mode = 0o755
		}
	default:
		return fmt.Errorf("%s is neither a file nor a directory: rootfs.sh makes no other", path)
	}
	if err := archive.WriteHeader(&header); err != nil {
		return err
	}
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	_, err = io.Copy(archive, file)
	return err
}
