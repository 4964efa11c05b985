// A client of the Go world: the registries of kratos, as a service of kratos uses them. Prints the list of a service as JSON,
// one line whenever its watcher has another, or registers an instance, until its standard input ends.
//
//	kratos-client etcd 127.0.0.1:2379 watch shop
//	kratos-client consul 127.0.0.1:8500 register shop id http://192.0.2.1:8000
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/go-kratos/kratos/contrib/registry/consul/v2"
	"github.com/go-kratos/kratos/contrib/registry/etcd/v2"
	"github.com/go-kratos/kratos/contrib/registry/zookeeper/v2"
	"github.com/go-kratos/kratos/v2/registry"
	"github.com/go-zookeeper/zk"
	"github.com/hashicorp/consul/api"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// Longest wait for an answer.
const patience = 10 * time.Second

type registrar interface {
	registry.Registrar
	registry.Discovery
}

func main() {
	if err := run(os.Args[1], os.Args[2], os.Args[3], os.Args[4:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(kind, server, command string, args []string) error {
	client, err := open(kind, server)
	if err != nil {
		return err
	}
	if command == "watch" {
		return watch(client, args[0])
	}
	instance := &registry.ServiceInstance{
		ID: args[1], Name: args[0], Version: "v1", Metadata: map[string]string{"weight": "20"}, Endpoints: args[2:],
	}
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	if err := client.Register(ctx, instance); err != nil {
		return err
	}
	fmt.Println("registered")
	_, _ = io.ReadAll(os.Stdin)
	return client.Deregister(context.Background(), instance)
}

func open(kind, server string) (registrar, error) {
	switch kind {
	case "etcd":
		client, err := clientv3.New(clientv3.Config{Endpoints: []string{server}})
		return etcd.New(client), err
	case "zookeeper":
		conn, _, err := zk.Connect([]string{server}, 15*time.Second, zk.WithLogInfo(false))
		return zookeeper.New(conn), err
	case "consul":
		client, err := api.NewClient(&api.Config{Address: server})
		// Nobody listens where the instances of the tests are said to be; the heartbeats are enough.
		return consul.New(client, consul.WithHealthCheck(false)), err
	}
	return nil, fmt.Errorf("no registry %s; expected consul, etcd or zookeeper", kind)
}

func watch(client registrar, name string) error {
	watcher, err := client.Watch(context.Background(), name)
	if err != nil {
		return err
	}
	go func() {
		_, _ = io.ReadAll(os.Stdin)
		os.Exit(0)
	}()
	for {
		instances, err := watcher.Next()
		if err != nil {
			return err
		}
		if err := json.NewEncoder(os.Stdout).Encode(instances); err != nil {
			return err
		}
	}
}
