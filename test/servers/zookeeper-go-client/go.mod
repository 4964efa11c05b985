module lossless.test/zookeeper-go-client

go 1.26.0

require (
	github.com/go-kratos/kratos/v2 v2.8.4
	github.com/go-zookeeper/zk v1.0.4
)
