echo 'of base alone'
