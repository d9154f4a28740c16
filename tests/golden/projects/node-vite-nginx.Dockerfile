FROM node:24-alpine as build
ARG VITE_API_URL
ARG VITE_COMMIT
ENV VITE_API_URL=$VITE_API_URL VITE_COMMIT=${VITE_COMMIT:-unknown}
WORKDIR /ui
COPY package.json .
COPY package-lock.json .
RUN npm ci
COPY . .
RUN npm run build

FROM nginx:stable-alpine
COPY --from=build /ui/dist /usr/share/nginx/html
COPY nginx/nginx.conf /etc/nginx/conf.d/default.conf
EXPOSE 80
CMD ["nginx", "-g", "daemon off;"]
