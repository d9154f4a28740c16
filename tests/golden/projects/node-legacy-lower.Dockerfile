from node:8
env NPM_CONFIG_LOGLEVEL warn
run mkdir -p /usr/src/app
workdir /usr/src/app
copy package.json /usr/src/app/
run npm install
copy . /usr/src/app
expose 8080 8443
cmd [ "npm", "start" ]
