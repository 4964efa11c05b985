//go:build tools

// Package tools pins the server that is built for the tests.
package tools

import _ "k8s.io/kubernetes/cmd/kube-apiserver"
