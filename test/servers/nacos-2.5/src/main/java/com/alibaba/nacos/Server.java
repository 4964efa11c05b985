package com.alibaba.nacos;

import com.alibaba.nacos.core.code.ControllerMethodsCache;
import com.alibaba.nacos.sys.filter.NacosTypeExcludeFilter;
import org.springframework.beans.factory.InitializingBean;
import org.springframework.boot.SpringApplication;
import org.springframework.boot.autoconfigure.SpringBootApplication;
import org.springframework.boot.web.servlet.ServletComponentScan;
import org.springframework.context.annotation.Bean;
import org.springframework.context.annotation.ComponentScan;
import org.springframework.context.annotation.FilterType;
import org.springframework.scheduling.annotation.EnableScheduling;

/** Nacos without its console. */
@SpringBootApplication
@ServletComponentScan
@EnableScheduling
@ComponentScan(
    basePackages = "com.alibaba.nacos",
    excludeFilters = @ComponentScan.Filter(type = FilterType.CUSTOM, classes = NacosTypeExcludeFilter.class))
public class Server {
  public static void main(String[] arguments) {
    SpringApplication.run(Server.class, arguments);
  }

  /** Without it every call under /v1/ns answers 501. */
  @Bean
  InitializingBean methods(ControllerMethodsCache cache) {
    return () -> {
      cache.initClassMethod("com.alibaba.nacos.core.controller");
      cache.initClassMethod("com.alibaba.nacos.naming.controllers");
    };
  }
}
