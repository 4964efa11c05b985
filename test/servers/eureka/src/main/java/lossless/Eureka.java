package lossless;

import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.cloud.netflix.eureka.server.EnableEurekaServer;
import org.springframework.context.annotation.Bean;
import org.springframework.core.env.Environment;
import org.springframework.core.env.Profiles;
import org.springframework.security.config.Customizer;
import org.springframework.security.config.annotation.web.builders.HttpSecurity;
import org.springframework.security.web.SecurityFilterChain;

/** With the profile "users", who asks must name spring.security.user.name and its password. */
@SpringBootApplication
@EnableEurekaServer
public class Eureka {
  public static void main(String[] arguments) {
    SpringApplication.run(Eureka.class, arguments);
  }

  @Bean
  SecurityFilterChain security(HttpSecurity http, Environment environment) throws Exception {
    boolean users = environment.acceptsProfiles(Profiles.of("users"));
    http.csrf(csrf -> csrf.disable()).httpBasic(Customizer.withDefaults());
    http.authorizeHttpRequests(
        each -> {
          if (users) each.anyRequest().authenticated();
          else each.anyRequest().permitAll();
        });
    return http.build();
  }
}
