// An etcd client of the Go world: keys under /microservices/<name>/<id> by etcd's own client, values of kratos' own type.
// Lists a service on standard output, or registers an instance until its standard input ends.
//
//	etcd-go-client 127.0.0.1:2379 list shop
//	etcd-go-client 127.0.0.1:2379 register shop id http://192.0.2.1:8000
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"

	"github.com/go-kratos/kratos/v2/registry"
	clientv3 "go.etcd.io/etcd/client/v3"
)

func main() {
	if err := run(os.Args[1], os.Args[2], os.Args[3:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(endpoint, command string, args []string) error {
	ctx := context.Background()
	client, err := clientv3.New(clientv3.Config{Endpoints: []string{endpoint}})
	if err != nil {
		return err
	}
	defer client.Close()
	if command == "list" {
		return list(ctx, client, args[0])
	}
	lease, err := client.Grant(ctx, 15)
	if err != nil {
		return err
	}
	instance := &registry.ServiceInstance{ID: args[1], Name: args[0], Metadata: map[string]string{"weight": "20"}, Endpoints: args[2:]}
	value, err := json.Marshal(instance)
	if err != nil {
		return err
	}
	key := fmt.Sprintf("/microservices/%s/%s", instance.Name, instance.ID)
	if _, err := client.Put(ctx, key, string(value), clientv3.WithLease(lease.ID)); err != nil {
		return err
	}
	fmt.Println("registered")
	_, _ = io.ReadAll(os.Stdin)
	_, err = client.Revoke(ctx, lease.ID)
	return err
}

func list(ctx context.Context, client *clientv3.Client, name string) error {
	found, err := client.Get(ctx, "/microservices/"+name, clientv3.WithPrefix())
	if err != nil {
		return err
	}
	instances := []*registry.ServiceInstance{}
	for _, kv := range found.Kvs {
		instance := &registry.ServiceInstance{}
		if err := json.Unmarshal(kv.Value, instance); err != nil {
			return err
		}
		if instance.Name == name {
			instances = append(instances, instance)
		}
	}
	return json.NewEncoder(os.Stdout).Encode(instances)
}
