package lossless;

import io.grpc.CallOptions;
import io.grpc.Channel;
import io.grpc.EquivalentAddressGroup;
import io.grpc.ManagedChannel;
import io.grpc.ManagedChannelBuilder;
import io.grpc.MethodDescriptor;
import io.grpc.MethodDescriptor.MethodType;
import io.grpc.NameResolver;
import io.grpc.NameResolverProvider;
import io.grpc.NameResolverRegistry;
import io.grpc.Status;
import io.grpc.StatusOr;
import io.grpc.stub.ClientCalls;
import io.grpc.stub.StreamObserver;
import java.io.ByteArrayInputStream;
import java.io.IOException;
import java.io.InputStream;
import java.io.UncheckedIOException;
import java.net.InetSocketAddress;
import java.net.URI;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.concurrent.ConcurrentLinkedQueue;
import java.util.concurrent.Phaser;
import java.util.concurrent.TimeUnit;
import java.util.concurrent.atomic.AtomicInteger;

/**
 * A client of grpc-java over a list of addresses, which knows nothing of the plugin. Calls at a constant rate until its standard
 * input ends, then prints what came of it as JSON.
 *
 * <pre>
 * GrpcJava unary 127.0.0.1:5000,127.0.0.1:5001 /echo.Echo/Say 0a0178 100
 * GrpcJava stream 127.0.0.1:5000,127.0.0.1:5001 /echo.Echo/Repeat 0a0178 20
 * </pre>
 */
public final class GrpcJava {
  /** Longest wait for the end of a call, in seconds. */
  private static final int PATIENCE = 20;

  /** Messages as the bytes they are. */
  private static final MethodDescriptor.Marshaller<byte[]> RAW =
      new MethodDescriptor.Marshaller<>() {
        @Override
        public InputStream stream(byte[] message) {
          return new ByteArrayInputStream(message);
        }

        @Override
        public byte[] parse(InputStream stream) {
          try {
            return stream.readAllBytes();
          } catch (IOException error) {
            throw new UncheckedIOException(error);
          }
        }
      };

  private final AtomicInteger ok = new AtomicInteger();
  private final ConcurrentLinkedQueue<String> failed = new ConcurrentLinkedQueue<>();
  private final Phaser pending = new Phaser(1);

  public static void main(String[] args) throws Exception {
    NameResolverRegistry.getDefaultRegistry().register(new ListProvider(args[1]));
    ManagedChannel channel =
        ManagedChannelBuilder.forTarget("list:///echo")
            .usePlaintext()
            .defaultLoadBalancingPolicy("round_robin")
            .build();
    MethodType type = args[0].equals("unary") ? MethodType.UNARY : MethodType.SERVER_STREAMING;
    MethodDescriptor<byte[], byte[]> method =
        MethodDescriptor.newBuilder(RAW, RAW).setType(type).setFullMethodName(args[2].substring(1)).build();
    new GrpcJava().load(channel, method, HexFormat.of().parseHex(args[3]), Integer.parseInt(args[4]));
    channel.shutdownNow();
  }

  /** An open loop: calls when the time has come, whether or not earlier calls have ended. */
  private void load(Channel channel, MethodDescriptor<byte[], byte[]> method, byte[] request, int perSecond)
      throws Exception {
    Thread end = new Thread(GrpcJava::awaitEnd);
    end.start();
    long begun = System.nanoTime();
    int sent = 0;
    while (end.isAlive()) {
      for (long due = (System.nanoTime() - begun) * perSecond / 1_000_000_000L; sent < due; sent++) {
        call(channel, method, request);
      }
      Thread.sleep(2);
    }
    pending.arriveAndAwaitAdvance();
    System.out.println(
        "{\"sent\":" + sent + ",\"ok\":" + ok.get() + ",\"failed\":[" + String.join(",", failed) + "]}");
  }

  private void call(Channel channel, MethodDescriptor<byte[], byte[]> method, byte[] request) {
    pending.register();
    StreamObserver<byte[]> observer =
        new StreamObserver<>() {
          @Override
          public void onNext(byte[] answer) {}

          @Override
          public void onError(Throwable thrown) {
            String reason = Status.fromThrowable(thrown).toString().replaceAll("[\"\\\\\\s]+", " ");
            failed.add("{\"at\":" + System.currentTimeMillis() + ",\"reason\":\"" + reason + "\"}");
            pending.arriveAndDeregister();
          }

          @Override
          public void onCompleted() {
            ok.incrementAndGet();
            pending.arriveAndDeregister();
          }
        };
    CallOptions options = CallOptions.DEFAULT.withDeadlineAfter(PATIENCE, TimeUnit.SECONDS);
    if (method.getType() == MethodType.UNARY) {
      ClientCalls.asyncUnaryCall(channel.newCall(method, options), request, observer);
    } else {
      ClientCalls.asyncServerStreamingCall(channel.newCall(method, options), request, observer);
    }
  }

  private static void awaitEnd() {
    try {
      System.in.readAllBytes();
    } catch (IOException error) {
      throw new UncheckedIOException(error);
    }
  }

  /** Resolves {@code list:} as the addresses that this was made with. */
  private static final class ListProvider extends NameResolverProvider {
    private final List<EquivalentAddressGroup> addresses;

    ListProvider(String addresses) {
      this.addresses = Arrays.stream(addresses.split(",")).map(ListProvider::groupOf).toList();
    }

    private static EquivalentAddressGroup groupOf(String address) {
      String[] parts = address.split(":");
      return new EquivalentAddressGroup(new InetSocketAddress(parts[0], Integer.parseInt(parts[1])));
    }

    @Override
    protected boolean isAvailable() {
      return true;
    }

    @Override
    protected int priority() {
      return 5;
    }

    @Override
    public String getDefaultScheme() {
      return "list";
    }

    @Override
    public NameResolver newNameResolver(URI target, NameResolver.Args args) {
      return new NameResolver() {
        @Override
        public String getServiceAuthority() {
          return "echo";
        }

        @Override
        public void start(Listener2 listener) {
          listener.onResult(
              ResolutionResult.newBuilder().setAddressesOrError(StatusOr.fromValue(addresses)).build());
        }

        @Override
        public void shutdown() {}
      };
    }
  }
}
