package org.opensearch.protobufs;

/** A query by gRPC, as such a converter names it; see {@link org.opensearch.transport.grpc.spi.QueryBuilderProtoConverter}. */
public final class QueryContainer {

    private QueryContainer() {}

    /** What is asked. */
    public enum QueryContainerCase {
        /** Neighbours of a vector. */
        KNN
    }
}
