package org.opensearch.transport.grpc.spi;

/** What such a converter is registered with; see {@link QueryBuilderProtoConverter}. */
public interface QueryBuilderProtoConverterRegistry {}
