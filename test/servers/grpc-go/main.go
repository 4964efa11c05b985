// Clients of the Go world, which know nothing of the plugin: grpc-go over a list of addresses, and net/http over HTTP/2 without TLS at
// one address. Call at a constant rate until their standard input ends, then print what came of it as JSON.
//
//	grpc-go unary 127.0.0.1:5000,127.0.0.1:5001 /echo.Echo/Say 0a0178 100
//	grpc-go stream 127.0.0.1:5000,127.0.0.1:5001 /echo.Echo/Repeat 0a0178 20
//	grpc-go replayable http://127.0.0.1:5000/echo 100
//	grpc-go once http://127.0.0.1:5000/echo 100
package main

import (
	"context"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"sync"
	"time"

	"google.golang.org/grpc"
	"google.golang.org/grpc/credentials/insecure"
	"google.golang.org/grpc/resolver"
	"google.golang.org/grpc/resolver/manual"
)

// Longest wait for the end of a call.
const patience = 20 * time.Second

// Calls once. An error says what went wrong.
type call func(context.Context) error

func main() {
	rate, err := strconv.Atoi(os.Args[len(os.Args)-1])
	one, failed := clientOf(os.Args[1:])
	if err = errors.Join(err, failed); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	_ = json.NewEncoder(os.Stdout).Encode(load(one, rate))
}

func clientOf(args []string) (call, error) {
	switch kind := args[0]; kind {
	case "unary", "stream":
		return overGrpc(args[1], args[2], args[3], kind == "stream")
	case "replayable", "once":
		return overHttp(args[1], kind == "replayable"), nil
	default:
		return nil, fmt.Errorf("no client %s; expected unary, stream, replayable or once", kind)
	}
}

// Messages as the bytes they are.
type raw struct{}

func (raw) Name() string                        { return "proto" }
func (raw) Marshal(message any) ([]byte, error) { return *message.(*[]byte), nil }
func (raw) Unmarshal(bytes []byte, message any) error {
	*message.(*[]byte) = append([]byte(nil), bytes...)
	return nil
}

// Takes the addresses in turn. What is sent is written as hexadecimal digits.
func overGrpc(addresses, method, message string, isStream bool) (call, error) {
	request, err := hex.DecodeString(message)
	if err != nil {
		return nil, err
	}
	list := manual.NewBuilderWithScheme("list")
	state := resolver.State{}
	for _, address := range strings.Split(addresses, ",") {
		state.Addresses = append(state.Addresses, resolver.Address{Addr: address})
	}
	list.InitialState(state)
	client, err := grpc.NewClient("list:///echo", grpc.WithResolvers(list),
		grpc.WithTransportCredentials(insecure.NewCredentials()),
		grpc.WithDefaultCallOptions(grpc.ForceCodec(raw{})),
		grpc.WithDefaultServiceConfig(`{"loadBalancingConfig":[{"round_robin":{}}]}`))
	if err != nil || !isStream {
		return func(ctx context.Context) error {
			var answer []byte
			return client.Invoke(ctx, method, &request, &answer)
		}, err
	}
	return func(ctx context.Context) error {
		stream, err := client.NewStream(ctx, &grpc.StreamDesc{ServerStreams: true}, method)
		if err == nil {
			err = errors.Join(stream.SendMsg(&request), stream.CloseSend())
		}
		for err == nil {
			var answer []byte
			err = stream.RecvMsg(&answer)
		}
		if err == io.EOF {
			return nil
		}
		return err
	}, nil
}

// Posts a body that net/http can write a second time, or one that it cannot.
func overHttp(url string, isReplayable bool) call {
	protocols := new(http.Protocols)
	protocols.SetUnencryptedHTTP2(true)
	client := &http.Client{Transport: &http.Transport{Protocols: protocols}}
	return func(ctx context.Context) error {
		var body io.Reader = strings.NewReader("x")
		if !isReplayable {
			body = struct{ io.Reader }{body}
		}
		request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, body)
		if err != nil {
			return err
		}
		response, err := client.Do(request)
		if err != nil {
			return err
		}
		defer response.Body.Close()
		if response.StatusCode != http.StatusOK {
			return errors.New(response.Status)
		}
		_, err = io.Copy(io.Discard, response.Body)
		return err
	}
}

// A call that failed. At is in milliseconds since the Unix epoch.
type failure struct {
	At     int64  `json:"at"`
	Reason string `json:"reason"`
}

// What test/support/entry/load.ts counts.
type counts struct {
	Sent   int       `json:"sent"`
	Ok     int       `json:"ok"`
	Failed []failure `json:"failed"`
}

// An open loop: calls when the time has come, whether or not earlier calls have ended.
func load(one call, perSecond int) counts {
	ended := make(chan struct{})
	go func() {
		_, _ = io.ReadAll(os.Stdin)
		close(ended)
	}()
	var pending sync.WaitGroup
	var lock sync.Mutex
	counted := counts{Failed: []failure{}}
	begun := time.Now()
	tick := time.NewTicker(2 * time.Millisecond)
	for {
		select {
		case <-ended:
			pending.Wait()
			return counted
		case <-tick.C:
		}
		for due := int(time.Since(begun).Seconds() * float64(perSecond)); counted.Sent < due; counted.Sent++ {
			pending.Go(func() {
				ctx, cancel := context.WithTimeout(context.Background(), patience)
				defer cancel()
				err := one(ctx)
				lock.Lock()
				defer lock.Unlock()
				if err == nil {
					counted.Ok++
				} else {
					counted.Failed = append(counted.Failed, failure{time.Now().UnixMilli(), err.Error()})
				}
			})
		}
	}
}
