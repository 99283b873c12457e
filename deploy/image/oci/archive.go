package main

import (
	"archive/tar"
	"encoding/json"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
)

// Archive writes the image as a tar of an OCI layout, with what `docker load` and `crane push` look for beside it.
func Archive(image v1.Image, about About, out string) error {
	directory, err := os.MkdirTemp(filepath.Dir(out), "layout")
	if err != nil {
		return err
	}
	defer os.RemoveAll(directory)
	path, err := layout.Write(directory, empty.Index)
	if err != nil {
		return err
	}
	// The first is skopeo's and podman's name for it, the second containerd's, and so kind's.
	names := layout.WithAnnotations(map[string]string{
		"org.opencontainers.image.ref.name": about.Version,
		"io.containerd.image.name":          "docker.io/library/" + Name + ":" + about.Version,
	})
	platform := layout.WithPlatform(v1.Platform{OS: "linux", Architecture: about.Architecture})
	if err := path.AppendImage(image, names, platform); err != nil {
		return err
	}
	if err := docker(image, about, directory); err != nil {
		return err
	}
	return pack(directory, out)
}

// docker writes Docker's manifest.json, as `docker save` does since its version 25: it names the layout's own files.
func docker(image v1.Image, about About, directory string) error {
	manifest, err := image.Manifest()
	if err != nil {
		return err
	}
	blob := func(of v1.Hash) string { return "blobs/" + of.Algorithm + "/" + of.Hex }
	layers := make([]string, 0, len(manifest.Layers))
	for _, layer := range manifest.Layers {
		layers = append(layers, blob(layer.Digest))
	}
	text, err := json.Marshal([]map[string]any{{
		"Config":   blob(manifest.Config.Digest),
		"RepoTags": []string{Name + ":" + about.Version},
		"Layers":   layers,
	}})
	if err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(directory, "manifest.json"), text, 0o644)
}

// pack writes the layout's files into one, in order of names.
func pack(directory, out string) error {
	file, err := os.Create(out)
	if err != nil {
		return err
	}
	defer file.Close()
	archive := tar.NewWriter(file)
	err = filepath.WalkDir(directory, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		name, err := filepath.Rel(directory, path)
		if err != nil {
			return err
		}
		return copyInto(archive, path, filepath.ToSlash(name))
	})
	if err != nil {
		return err
	}
	if err := archive.Close(); err != nil {
		return err
	}
	return file.Close()
}

func copyInto(archive *tar.Writer, path, name string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	info, err := file.Stat()
	if err != nil {
		return err
	}
	header := tar.Header{
		Typeflag: tar.TypeReg, Name: name, Size: info.Size(), Mode: 0o644, ModTime: time.Unix(0, 0), Format: tar.FormatUSTAR,
	}
	if err := archive.WriteHeader(&header); err != nil {
		return err
	}
	_, err = io.Copy(archive, file)
	return err
}
