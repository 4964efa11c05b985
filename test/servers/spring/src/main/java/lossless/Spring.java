package lossless;

import java.net.URI;
import java.util.List;
import java.util.Map;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.cloud.client.ServiceInstance;
import org.springframework.cloud.client.discovery.DiscoveryClient;
import org.springframework.cloud.client.loadbalancer.LoadBalanced;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.Configuration;
import org.springframework.web.bind.annotation.GetMapping;
import org.springframework.web.bind.annotation.PostMapping;
import org.springframework.web.bind.annotation.RequestBody;
import org.springframework.web.bind.annotation.RequestParam;
import org.springframework.web.bind.annotation.RestController;
import org.springframework.web.client.RestTemplate;

/** A service as Spring Cloud makes one: what it finds in its registry, and where its calls go. */
@SpringBootApplication
@RestController
public class Spring {
  private final DiscoveryClient discovery;
  private final RestTemplate rest;

  Spring(DiscoveryClient discovery, RestTemplate rest) {
    this.discovery = discovery;
    this.rest = rest;
  }

  public static void main(String[] arguments) {
    SpringApplication.run(Spring.class, arguments);
  }

  @GetMapping("/list")
  List<URI> list(@RequestParam("service") String service) {
    return discovery.getInstances(service).stream().map(ServiceInstance::getUri).toList();
  }

  @GetMapping("/labels")
  List<Map<String, String>> labels(@RequestParam("service") String service) {
    return discovery.getInstances(service).stream().map(ServiceInstance::getMetadata).toList();
  }

  @GetMapping("/call")
  String call(@RequestParam("service") String service) {
    return rest.getForObject("http://" + service + "/", String.class);
  }

  @GetMapping("/")
  String serve() {
    return "spring";
  }

  @PostMapping("/")
  String echo(@RequestBody String body) {
    return body;
  }
}

/** A class of its own, because the controller is made with what it returns. */
@Configuration
class Client {
  @Bean
  @LoadBalanced
  RestTemplate rest() {
    return new RestTemplate();
  }
}
