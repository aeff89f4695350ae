package org.opensearch.transport.grpc.spi;

/**
 * What the k-NN plugin implements for queries by gRPC, a transport that is not here.
 *
 * <p>The module that declares it is published in no registry, and the plugin's class cannot be loaded without the name.
 * Nobody calls it.
 */
public interface QueryBuilderProtoConverter {}
