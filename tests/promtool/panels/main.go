// Command panels evaluates the queries of a dashboard over scrapes of a running operator, with Prometheus' own engine.
//
// It reads one JSON object from standard input and writes one to standard output:
//
//	{"scrapes": [{"at": SECONDS, "text": OPENMETRICS}], "labels": {NAME: VALUE}, "queries": [EXPR]}
//	[{"error": TEXT, "samples": [{"labels": {NAME: VALUE}, "value": NUMBER}]}]
//
// The labels are those that Prometheus gives to whatever it scrapes from a pod. Queries are asked at the last scrape.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"time"

	"github.com/prometheus/prometheus/model/labels"
	"github.com/prometheus/prometheus/model/textparse"
	"github.com/prometheus/prometheus/promql"
	"github.com/prometheus/prometheus/promql/parser"
	"github.com/prometheus/prometheus/tsdb"
)

type scrape struct {
	At   float64 `json:"at"`
	Text string  `json:"text"`
}

type request struct {
	Scrapes []scrape          `json:"scrapes"`
	Labels  map[string]string `json:"labels"`
	Queries []string          `json:"queries"`
}

type sample struct {
	Labels map[string]string `json:"labels"`
	Value  float64           `json:"value"`
}

type answer struct {
	Error   string   `json:"error,omitempty"`
	Samples []sample `json:"samples"`
}

func main() {
	if err := run(os.Stdin, os.Stdout); err != nil {
		fmt.Fprintln(os.Stderr, "panels:", err)
		os.Exit(1)
	}
}

func run(in io.Reader, out io.Writer) error {
	var asked request
	if err := json.NewDecoder(in).Decode(&asked); err != nil {
		return err
	}
	dir, err := os.MkdirTemp("", "panels")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	db, err := tsdb.Open(dir, nil, nil, tsdb.DefaultOptions(), nil)
	if err != nil {
		return err
	}
	defer db.Close()
	var last int64
	for _, it := range asked.Scrapes {
		last = int64(it.At * 1000)
		if err := take(db, []byte(it.Text), last, asked.Labels); err != nil {
			return err
		}
	}
	engine := promql.NewEngine(promql.EngineOpts{MaxSamples: 1e7, Timeout: time.Minute, Parser: parser.NewParser(parser.Options{})})
	answers := make([]answer, 0, len(asked.Queries))
	for _, expr := range asked.Queries {
		answers = append(answers, ask(engine, db, expr, time.UnixMilli(last)))
	}
	return json.NewEncoder(out).Encode(answers)
}

// take stores one scrape, as Prometheus does.
func take(db *tsdb.DB, text []byte, at int64, more map[string]string) error {
	parser, err := textparse.New(text, "application/openmetrics-text; version=1.0.0", nil, textparse.ParserOptions{})
	if err != nil {
		return err
	}
	app := db.Appender(context.Background())
	for {
		entry, err := parser.Next()
		if errors.Is(err, io.EOF) {
			return app.Commit()
		}
		if err != nil {
			return err
		}
		if entry != textparse.EntrySeries {
			continue
		}
		_, _, value := parser.Series()
		var series labels.Labels
		parser.Labels(&series)
		builder := labels.NewBuilder(series)
		for name, value := range more {
			if own := series.Get(name); own != "" {
				return fmt.Errorf("%s has a label %s of its own", series, name)
			}
			builder.Set(name, value)
		}
		// An empty label is none.
		if _, err := app.Append(0, builder.Labels(), at, value); err != nil {
			return err
		}
	}
}

func ask(engine *promql.Engine, db *tsdb.DB, expr string, at time.Time) answer {
	query, err := engine.NewInstantQuery(context.Background(), db, nil, expr, at)
	if err != nil {
		return answer{Error: err.Error()}
	}
	defer query.Close()
	result := query.Exec(context.Background())
	if result.Err != nil {
		return answer{Error: result.Err.Error()}
	}
	vector, err := result.Vector()
	if err != nil {
		return answer{Error: err.Error()}
	}
	told := answer{Samples: []sample{}}
	for _, it := range vector {
		// JSON has no word for what is no number, as a quotient of nothing.
		if math.IsNaN(it.F) || math.IsInf(it.F, 0) {
			continue
		}
		told.Samples = append(told.Samples, sample{Labels: it.Metric.Map(), Value: it.F})
	}
	return told
}
