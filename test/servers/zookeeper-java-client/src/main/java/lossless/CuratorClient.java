package lossless;

import java.util.Collection;
import java.util.Map;
import org.apache.curator.framework.CuratorFramework;
import org.apache.curator.framework.CuratorFrameworkFactory;
import org.apache.curator.retry.RetryOneTime;
import org.apache.curator.x.discovery.ServiceDiscovery;
import org.apache.curator.x.discovery.ServiceDiscoveryBuilder;
import org.apache.curator.x.discovery.ServiceInstance;

/**
 * Service discovery of Curator. Lists a service on standard output, or registers an instance until standard input ends.
 *
 * <pre>
 * CuratorClient 127.0.0.1:2181 /services list shop
 * CuratorClient 127.0.0.1:2181 /services register shop id 192.0.2.1 8000
 * </pre>
 */
public final class CuratorClient {
  /** Free labels, as the payload that Spring Cloud adds. */
  public record Payload(String id, String name, Map<String, String> metadata) {}

  public static void main(String[] args) throws Exception {
    try (CuratorFramework curator = CuratorFrameworkFactory.newClient(args[0], new RetryOneTime(1_000))) {
      curator.start();
      try (ServiceDiscovery<Payload> discovery =
          ServiceDiscoveryBuilder.builder(Payload.class).client(curator).basePath(args[1]).build()) {
        discovery.start();
        if (args[2].equals("list")) list(discovery.queryForInstances(args[3]));
        else register(discovery, args[3], args[4], args[5], Integer.parseInt(args[6]));
      }
    }
  }

  private static void list(Collection<ServiceInstance<Payload>> instances) {
    for (ServiceInstance<Payload> instance : instances)
      System.out.printf(
          "%s %s %s %s %s %s%n",
          instance.getId(),
          instance.getAddress(),
          instance.getPort(),
          instance.getSslPort(),
          instance.getRegistrationTimeUTC(),
          instance.isEnabled());
    System.out.println("listed");
  }

  private static void register(ServiceDiscovery<Payload> discovery, String service, String id, String address, int port)
      throws Exception {
    ServiceInstance<Payload> instance =
        ServiceInstance.<Payload>builder()
            .name(service)
            .id(id)
            .address(address)
            .port(port)
            .payload(new Payload(id, service, Map.of("zone", "eu-1", "weight", "20")))
            .build();
    discovery.registerService(instance);
    System.out.println("registered");
    System.in.readAllBytes();
    discovery.unregisterService(instance);
  }
}
