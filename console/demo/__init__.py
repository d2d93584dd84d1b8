"""The demo: a public data set's customers and answers, everything else simulated from a seed, on a made-up clock."""
