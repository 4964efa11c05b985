// A ZooKeeper client of the Go world: nodes /microservices/<name>/<id> by the client that kratos uses, values of kratos' own
// type. Lists a service on standard output, or registers an instance until its standard input ends.
//
//	zookeeper-go-client 127.0.0.1:2181 list shop
//	zookeeper-go-client 127.0.0.1:2181 register shop id http://192.0.2.1:8000
package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/go-kratos/kratos/v2/registry"
	"github.com/go-zookeeper/zk"
)

func main() {
	if err := run(os.Args[1], os.Args[2], os.Args[3:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(server, command string, args []string) error {
	client, _, err := zk.Connect([]string{server}, 15*time.Second, zk.WithLogInfo(false))
	if err != nil {
		return err
	}
	defer client.Close()
	folder := "/microservices/" + args[0]
	if command == "list" {
		return list(client, folder)
	}
	for _, parent := range []string{"/microservices", folder} {
		if _, err := client.Create(parent, nil, 0, zk.WorldACL(zk.PermAll)); err != nil && !errors.Is(err, zk.ErrNodeExists) {
			return err
		}
	}
	instance := &registry.ServiceInstance{ID: args[1], Name: args[0], Metadata: map[string]string{"weight": "20"}, Endpoints: args[2:]}
	value, err := json.Marshal(instance)
	if err != nil {
		return err
	}
	path := folder + "/" + instance.ID
	if _, err := client.Create(path, value, zk.FlagEphemeral, zk.WorldACL(zk.PermAll)); err != nil {
		return err
	}
	fmt.Println("registered")
	_, _ = io.ReadAll(os.Stdin)
	return client.Delete(path, -1)
}

func list(client *zk.Conn, folder string) error {
	names, _, err := client.Children(folder)
	if err != nil {
		return err
	}
	instances := []*registry.ServiceInstance{}
	for _, name := range names {
		value, _, err := client.Get(folder + "/" + name)
		if err != nil {
			return err
		}
		instance := &registry.ServiceInstance{}
		if err := json.Unmarshal(value, instance); err != nil {
			return err
		}
		instances = append(instances, instance)
	}
	return json.NewEncoder(os.Stdout).Encode(instances)
}
