ARG FROM_IMAGE=ros:jazzy
ARG OVERLAY_WS=/opt/ros/overlay_ws
FROM $FROM_IMAGE AS cacher
ARG OVERLAY_WS
WORKDIR $OVERLAY_WS/src
COPY overlay.repos ../
RUN vcs import ./ < ../overlay.repos
WORKDIR /opt
RUN mkdir -p /tmp/opt && \
    find ./ -name "package.xml" | \
      xargs cp --parents -t /tmp/opt || true

FROM $FROM_IMAGE AS builder
ARG OVERLAY_WS
WORKDIR $OVERLAY_WS
COPY --from=cacher /tmp/$OVERLAY_WS/src ./src
RUN . /opt/ros/$ROS_DISTRO/setup.sh && rosdep install -y --from-paths src
COPY --from=cacher $OVERLAY_WS/src ./src
ARG OVERLAY_MIXINS="release"
RUN . /opt/ros/$ROS_DISTRO/setup.sh && colcon build --mixin $OVERLAY_MIXINS
ENV OVERLAY_WS $OVERLAY_WS
RUN sed --in-place --expression '$isource "$OVERLAY_WS/install/setup.bash"' /ros_entrypoint.sh
